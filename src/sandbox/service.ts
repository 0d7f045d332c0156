// What an AWS service is to the sandbox: a name, an API version, and its operations.
import type { Form } from './wire/form.ts';
import type { Xml } from './wire/xml.ts';
import type { Actor, World } from './world.ts';

/** An operation that a signed caller asks for. */
export type Operation = (actor: Actor, form: Form) => Xml | Promise<Xml>;

export interface Service {
  /** As in the credential scope of a signature. */
  name: string;
  version: string;
  namespace: string;
  signed: Readonly<Record<string, Operation>>;
  unsigned: Readonly<Record<string, (world: World, form: Form, sourceIp: string) => Xml | Promise<Xml>>>;
}
