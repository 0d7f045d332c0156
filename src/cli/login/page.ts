// The page that a browser ends on: text alone. What an issuer sent is shown, and never obeyed.

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => ESCAPES[character] as string);

/** What is longer is no message. */
const LONGEST = 500;

export function buildPage(title: string, text: string): string {
  const [heading, body] = [title, text].map((part) => escape(part.slice(0, LONGEST)));
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${heading} - Countersign</title>
<h1>${heading}</h1>
<p>${body}</p>
</html>
`;
}
