// A template's plain value as text, as CloudFormation makes parameters and descriptions of it.

/** Numbers and booleans as they are written, lists with commas, anything else as JSON; undefined stays. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(textOf).join(',');
  return JSON.stringify(value) ?? '';
}

export function optionalTextOf(value: unknown): string | undefined {
  return value === undefined ? undefined : textOf(value);
}
