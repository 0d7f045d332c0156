// The types of preflight.mjs, which is plain JavaScript because it runs before Node 24 is there.
export interface Machine {
  platform: string;
  arch: string;
  libc: string | undefined;
  node: string;
}
export function describeMachine(): Machine;
export function isInstalled(folder: string): boolean;
export function preflight(options: {
  root: string;
  folders?: string[];
  machine?: Machine;
  say?: (line: string) => void;
  install?: (folder: string) => boolean;
}): number;
