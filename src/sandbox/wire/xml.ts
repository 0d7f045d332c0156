// XML as AWS's query protocol writes it: lists are <member> elements, absent members are left out.

export type Xml = string | number | boolean | undefined | readonly Xml[] | { readonly [name: string]: Xml };

const ESCAPES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '\r': '&#13;',
};

function escapeXml(text: string): string {
  return text.replace(/[&<>"'\r]/g, (character) => ESCAPES[character] as string);
}

function element(name: string, value: Xml): string {
  return value === undefined ? '' : `<${name}>${renderXml(value)}</${name}>`;
}

/** The content of an element. Numbers, booleans and strings become text; objects become elements in their order. */
export function renderXml(value: Xml): string {
  if (value === undefined) return '';
  if (typeof value !== 'object') return escapeXml(String(value));
  if (Array.isArray(value)) return value.map((item: Xml) => element('member', item)).join('');
  return Object.entries(value)
    .map(([name, member]) => element(name, member))
    .join('');
}

/** The answer to a call: `<XResponse><XResult>…</XResult><ResponseMetadata>…`, as all three services write it. */
export function renderAnswer(action: string, namespace: string, result: Xml, requestId: string): string {
  const body = result === undefined ? '' : element(`${action}Result`, result);
  const metadata = element('ResponseMetadata', { RequestId: requestId });
  return `<${action}Response xmlns="${namespace}">${body}${metadata}</${action}Response>\n`;
}

/** @param status decides who is to blame, `Sender` or `Receiver`. */
export function renderError(
  error: { code: string; message: string; status: number },
  namespace: string,
  requestId: string,
): string {
  const type = error.status < 500 ? 'Sender' : 'Receiver';
  const body = { Error: { Type: type, Code: error.code, Message: error.message }, RequestId: requestId };
  return `<ErrorResponse xmlns="${namespace}">${renderXml(body)}</ErrorResponse>\n`;
}

/** `YYYY-MM-DDTHH:MM:SSZ`, from milliseconds since the epoch. */
export function zulu(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(/\.\d+Z$/, 'Z');
}
