// Secrets and every form that one could be written in, to search for where none may be.

export interface Canary {
  name: string;
  value: string | Buffer;
}

/** Base64 at each of the three alignments, without the letters that depend on what stands beside it. */
function base64Cores(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((shift) => {
    const whole = Buffer.concat([Buffer.alloc(shift), bytes]);
    const first = shift === 0 ? 0 : 4;
    const last = Math.floor(whole.length / 3) * 4;
    const standard = whole.toString('base64').slice(first, last);
    return [standard, standard.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

/** Text that shows the secret: raw, escaped, base64 and base64url, hex, percent-encoded. */
export function formsOf(value: string | Buffer): string[] {
  const bytes = Buffer.from(value);
  const hex = bytes.toString('hex');
  const percent = (digits: string): string => (digits.match(/../g) ?? []).map((pair) => `%${pair}`).join('');
  const text =
    typeof value === 'string'
      ? [value, encodeURIComponent(value), JSON.stringify(value).slice(1, -1)]
      : [bytes.toString('latin1')];
  return [
    ...new Set([...text, hex, hex.toUpperCase(), percent(hex), percent(hex.toUpperCase()), ...base64Cores(bytes)]),
  ].filter((form) => form.length >= 8);
}

/** Names of canaries found in `text`, with the form's first characters. */
export function findCanaries(text: string, canaries: readonly Canary[]): string[] {
  return canaries.flatMap(({ name, value }) =>
    formsOf(value)
      .filter((form) => text.includes(form))
      .map((form) => `${name} as ${JSON.stringify(form.slice(0, 6))}…`),
  );
}
