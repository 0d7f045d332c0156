// A label as it is written, `key=value`.

/** A key holds no `=`, so the first one ends it. */
export function parseLabel(label: string): Record<string, string> {
  const at = label.indexOf('=');
  return { [label.slice(0, at)]: label.slice(at + 1) };
}
