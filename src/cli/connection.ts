// `countersign connection`: links to cloud accounts, from registering one to its end.
import type { Command } from 'commander';
import { addNoun } from './command.ts';
import { addLifeVerbs } from './connection-life.ts';
import { addOnboardingVerbs } from './connection-onboarding.ts';
import { addCreate, addListAndShow, addUpdate } from './connection-registry.ts';
import type { Outside } from './outside.ts';

export function addConnectionCommands(program: Command, outside: Outside): void {
  const connection = addNoun(
    program,
    'connection',
    'links to cloud accounts: register, invite, verify, pause, disconnect',
  );
  addCreate(connection, outside);
  addListAndShow(connection, outside);
  addUpdate(connection, outside);
  addOnboardingVerbs(connection, outside);
  addLifeVerbs(connection, outside);
}
