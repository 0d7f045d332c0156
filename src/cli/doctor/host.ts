// On the host, with the service's environment: its configuration, its key-encryption key, its database.
import { statSync } from 'node:fs';
import type { Config } from '../../config.ts';
import type { KekSource } from '../../keys/sources.ts';
import { checkEnvironment } from '../config.ts';
import type { Outside } from '../outside.ts';
import { type Check, type Finding, ok } from './findings.ts';

export function checkConfiguration(env: Outside['env']): Check {
  return {
    code: 'configuration',
    look: async () => {
      const { problems } = await checkEnvironment(env);
      if (problems.length === 0) return [ok('configuration', 'The configuration in the environment is right.')];
      return problems.map((detail) => ({
        ...{ code: 'configuration', severity: 'failure' as const, detail },
        hint: 'docs/configuration.md has every variable; `countersign config check` shows what holds.',
      }));
    },
  };
}

/** Not its content: whether it is there, and who may read it. */
export function checkKekFiles({ keks, mayCreateKek }: Config): Check {
  const code = 'kek_file';
  const look = (source: KekSource): Finding[] => {
    // What AWS KMS says of a key is another check.
    if (!('file' in source)) return [];
    const { file } = source;
    const stats = statSync(file, { throwIfNoEntry: false });
    if (stats === undefined && mayCreateKek) return [];
    const fault = stats === undefined ? 'is not there' : stats.mode & 0o007 ? 'can be read by everybody' : undefined;
    if (fault === undefined) return [ok(code, 'The key-encryption key is there, and not for everybody.', file)];
    return [
      {
        ...{ code, severity: 'failure', subject: file, detail: `The key-encryption key ${fault}.` },
        hint: stats ? `chmod 600 ${file}` : 'Put it back from its backup: keys/README.md.',
      },
    ];
  };
  return { code, look: async () => keks.flatMap(look) };
}

/** A rule of the start, asked without a start. */
function judge(rule: () => void): Finding[] {
  try {
    rule();
    return [];
  } catch (error) {
    const { code, message: detail, hint } = error as Error & { code?: string; hint?: string };
    if (code === undefined || hint === undefined) throw error;
    return [{ code, severity: 'failure', detail, hint }];
  }
}

/** For MIGRATE=auto. */
function warnOfMissing(missing: string[]): Finding[] {
  if (missing.length === 0) return [];
  const detail = `The database lacks ${missing.join(', ')}.`;
  const hint = 'The next start applies what is missing; `countersign migrate` does it before.';
  return [{ code: 'migration_missing', severity: 'warning', detail, hint }];
}

/** PostgreSQL as the service meets it: settings, role, migrations. Reads alone; one connection. */
export function checkDatabase({ database: address }: Config): Check | undefined {
  if (!address) return undefined;
  return {
    code: 'database',
    look: async () => {
      const [{ connectPostgres }, server, role, { listMissing }, { assertMigrated }] = await Promise.all([
        import('../../db/connect.ts'),
        import('../../db/server.ts'),
        import('../../db/role.ts'),
        import('../../db/migrate.ts'),
        import('../../db/open.ts'),
      ]);
      const database = connectPostgres({ address: address.service, poolSize: 1 });
      try {
        const settings = await server.readServerSettings(database.db).catch((error: unknown) => {
          if (!server.refusesStartupParameter(error)) throw error;
          database.omitStartupDeadlines?.();
          return server.readServerSettings(database.db);
        });
        const seen = await role.readRole(database.db);
        const missing = seen.lacks.length > 0 ? [] : await listMissing(database);
        const tooMuch = role.findTooMuch(seen);
        const findings: Finding[] = [
          ...judge(() => server.assertDurable(settings)),
          ...judge(() => server.assertDeadlines(settings)),
          ...judge(() => role.assertEnough(seen)),
          ...(tooMuch ? [{ code: 'database_role_too_much', severity: 'warning' as const, ...tooMuch }] : []),
          ...(address.migrate === 'check' ? judge(() => assertMigrated(missing)) : warnOfMissing(missing)),
        ];
        return findings.length > 0
          ? findings
          : [ok('database', `PostgreSQL ${Math.floor(settings.version / 10_000)} as ${seen.role}: durable, migrated.`)];
      } finally {
        await database.close();
      }
    },
  };
}
