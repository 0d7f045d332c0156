// The effective configuration: each variable's value, where it comes from, and no secret in it.
import type { Config } from '../config.ts';
import type { VariableName, Variable } from '../variables.ts';
import type { Outside } from './outside.ts';

export interface Effective {
  name: string;
  group: string;
  /** `file`: of `<NAME>_FILE`, whose path is shown and whose content never is. */
  source: 'set' | 'file' | 'default' | 'unset';
  value?: string;
  file?: string;
}

export interface Schema {
  names: readonly VariableName[];
  variables: Record<VariableName, Variable>;
  /** Names that hold secrets. */
  secrets: readonly string[];
}

const MASK = '***';
const SECRET_PARAMETER = /password|passphrase|secret|token|key/i;

/** A URL without its password and the parameters that may hold one; anything else as it is. */
function maskUrl(value: string): string | undefined {
  const url = URL.parse(value);
  if (!url?.host) return undefined;
  if (url.password) url.password = MASK;
  for (const name of new Set(url.searchParams.keys()))
    if (SECRET_PARAMETER.test(name)) url.searchParams.set(name, MASK);
  const untouched = !url.search.includes(MASK) && url.password === '';
  return untouched ? value : url.href;
}

/** What may be shown of a value; of a secret that is no URL, nothing. */
export function mask(value: string, secret: boolean): string {
  return maskUrl(value) ?? (secret ? MASK : value);
}

/** @param config what was read; undefined where the environment has problems, and defaults that follow are not known */
export function describeEnvironment(schema: Schema, env: Outside['env'], config: Config | undefined): Effective[] {
  return schema.names.map((name) => {
    const { group, effective, default: fallback } = schema.variables[name];
    const secret = schema.secrets.includes(name);
    const value = env[name];
    const file = secret ? env[`${name}_FILE`] : undefined;
    if (value) return { name, group, source: 'set', value: mask(value, secret) };
    if (file) return { name, group, source: 'file', file };
    const derived = config && effective ? effective(config) : fallback?.replaceAll('`', '');
    return { name, group, source: derived === undefined ? 'unset' : 'default', ...(derived ? { value: derived } : {}) };
  });
}
