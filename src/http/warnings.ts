// What an answer says beside what was done: each with a code for programs, and a sentence for people.
import { Type } from 'typebox';

const Warning = Type.Object({ code: Type.String(), detail: Type.String() }, { additionalProperties: false });

/** @param description what they are about; an answer leaves them out where there is nothing */
export const warningsAbout = (description: string) => Type.Array(Warning, { description });
