// `countersign workload`: the internal services that may ask for tokens.
import type { Command } from 'commander';
import { addChanges, addCreate, addListAndShow } from './client-commands.ts';
import { addIdentityVerbs, addSetOutlive } from './client-identities.ts';
import { addKeyVerbs } from './client-keys.ts';
import { addNoun } from './command.ts';
import type { Outside } from './outside.ts';

export function addWorkloadCommands(program: Command, outside: Outside): void {
  const workload = addNoun(program, 'workload', 'internal services that ask for tokens: registry, scopes, keys');
  addCreate(workload, outside, 'workload');
  addListAndShow(workload, outside, 'workload');
  addChanges(workload, outside, 'workload');
  addKeyVerbs(workload, outside, 'workload');
  addIdentityVerbs(workload, outside, 'workload');
  addSetOutlive(workload, outside);
}
