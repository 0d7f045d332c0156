// What a grant selects: one connection, one `key=value` label, one tenant, or all; on the wire and in its three columns.
import { type RawBuilder, sql } from 'kysely';
import { parseLabel } from '../connections/labels.ts';

export type SelectorKind = 'connection' | 'label' | 'tenant' | 'all';

export type Selector = { connection: string } | { label: string } | { tenant: string } | { all: true };

export interface SelectorColumns {
  selector_kind: SelectorKind;
  selector_value: string;
  /** The operand that connections.labels must contain. */
  selector_label: Record<string, string> | null;
}

/** Narrowest first: the first kind that matches decides. */
export const PRECEDENCE: readonly SelectorKind[] = ['connection', 'label', 'tenant', 'all'];

/** @param selector with one member, and a connection by its id. */
export function toColumns(selector: Selector): SelectorColumns {
  if ('connection' in selector)
    return { selector_kind: 'connection', selector_value: selector.connection, selector_label: null };
  if ('label' in selector) {
    return { selector_kind: 'label', selector_value: selector.label, selector_label: parseLabel(selector.label) };
  }
  if ('tenant' in selector) return { selector_kind: 'tenant', selector_value: selector.tenant, selector_label: null };
  return { selector_kind: 'all', selector_value: '', selector_label: null };
}

export function fromColumns({ selector_kind, selector_value }: Omit<SelectorColumns, 'selector_label'>): Selector {
  if (selector_kind === 'all') return { all: true };
  return { [selector_kind]: selector_value } as Selector;
}

/** Labels of a connection as selectors would name them. */
export function labelValues(labels: Record<string, string>): string[] {
  return Object.entries(labels).map(([key, value]) => `${key}=${value}`);
}

/**
 * SQL: the selectors that a connection `c` answers to, as rows of `kind` and `value`.
 * @param whereThere a condition, where there may be no connection: it does not even answer to `all` then
 */
export const selectorsOf = (whereThere: RawBuilder<unknown> = sql``): RawBuilder<unknown> => sql`
  select 'connection' as kind, c.id as value
  union all select 'tenant', c.tenant
  union all select 'all', '' ${whereThere}
  union all select 'label', l.key || '=' || l.value from jsonb_each_text(c.labels) l`;

/** SQL: whether a grant has the selector `s`, which is one of those of `c`. */
export const HAS_SELECTOR = sql`selector_kind = s.kind and selector_value = s.value
  and (selector_kind <> 'label' or c.labels @> selector_label)`;
