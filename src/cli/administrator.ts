// `countersign administrator`: the people and pipelines that run the service.
import type { Command } from 'commander';
import { addChanges, addCreate, addListAndShow } from './client-commands.ts';
import { addIdentityVerbs } from './client-identities.ts';
import { addKeyVerbs } from './client-keys.ts';
import { addNoun } from './command.ts';
import type { Outside } from './outside.ts';

export function addAdministratorCommands(program: Command, outside: Outside): void {
  const administrator = addNoun(program, 'administrator', 'who runs the service: registry, scopes, keys');
  addCreate(administrator, outside, 'administrator');
  addListAndShow(administrator, outside, 'administrator');
  addChanges(administrator, outside, 'administrator');
  addKeyVerbs(administrator, outside, 'administrator');
  addIdentityVerbs(administrator, outside, 'administrator');
}
