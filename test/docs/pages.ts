// The Markdown pages of the project, and what is in them: links, headings as GitHub names them, code blocks.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

/** Relative to the project, sorted. */
export const PAGES = [
  ...['README.md', 'CHANGELOG.md', 'SECURITY.md', 'keys/README.md', 'deploy/README.md'],
  ...globSync('docs/**/*.md', { cwd: ROOT }),
].sort();

export function readPage(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8');
}

export function listCodeBlocks(text: string, language: string): string[] {
  const fence = new RegExp(`^ *\`\`\`${language}\\n(.*?)^ *\`\`\`$`, 'gms');
  return [...text.matchAll(fence)].map(([, code]) => code ?? '');
}

function withoutCode(text: string): string {
  return text.replace(/^ *```.*?^ *```$/gms, '').replace(/`[^`\n]*`/g, '');
}

/** Targets of links, outside code. */
export function listLinks(text: string): string[] {
  return [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? '');
}

/** Anchors of headings: lower case, spaces as hyphens, punctuation gone. */
export function listAnchors(text: string): Set<string> {
  const headings = text.replace(/^ *```.*?^ *```$/gms, '').matchAll(/^#{1,6} (.+)$/gm);
  return new Set(
    [...headings].map(([, title]) =>
      (title ?? '')
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** Commands that a page tells its readers to type: of shell blocks with lines joined, and in backticks. */
export function listCommands(text: string): string[] {
  const blocks = listCodeBlocks(text, 'sh').flatMap((block) => block.replaceAll(/\\\n\s*/g, '').split('\n'));
  const inline = [...text.replace(/^ *```.*?^ *```$/gms, '').matchAll(/`([^`\n]+)`/g)].map(([, code]) => code ?? '');
  return [...blocks, ...inline].map((line) => line.replace(/\s+#.*$/, '').trim()).filter((line) => line !== '');
}
