// Every defence, subject by subject.
import type { Defence } from './defence.ts';
import { oauth } from './oauth.ts';
import { tokens } from './tokens.ts';

export const DEFENCES: readonly Defence[] = [...tokens, ...oauth];
