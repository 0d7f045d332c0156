// The person's browser, asked to open a page. Not by the `open` package: it brings a dozen for one program with one argument.
import { spawn } from 'node:child_process';
import type { Outside } from '../outside.ts';

type Env = Outside['env'];

/** Whether somebody sits before this machine, as far as it says. */
export function hasDisplay(env: Env, platform: NodeJS.Platform): boolean {
  if (platform === 'win32') return true;
  if (platform === 'darwin') return !env.SSH_CONNECTION;
  return Boolean(env.DISPLAY || env.WAYLAND_DISPLAY);
}

/** The URL is one argument, and no shell reads it. */
function openerOf(platform: NodeJS.Platform): [string, ...string[]] {
  if (platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler'];
  return platform === 'darwin' ? ['open'] : ['xdg-open'];
}

/** Never fails: the page was printed as well. */
export function openBrowser(page: URL, env: Env, platform: NodeJS.Platform): void {
  const [command, ...before] = openerOf(platform);
  // It outlives this command, and knows nothing of who that is.
  const rest = Object.entries(env).filter(([name]) => !name.startsWith('COUNTERSIGN_'));
  const options = { env: Object.fromEntries(rest), stdio: 'ignore', detached: true } as const;
  const child = spawn(command, [...before, page.href], options);
  child.once('error', () => {});
  child.unref();
}
