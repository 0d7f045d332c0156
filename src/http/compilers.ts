// What checks and writes JSON, each compiled when it is first needed: a start does not wait for routes nobody has asked.
import { SerializerSelector } from '@fastify/fast-json-stringify-compiler';
import { Ajv, type ValidateFunction } from 'ajv';
import type { FastifyInstance, FastifySchemaCompiler, FastifySerializerCompiler } from 'fastify';

// Schemas are typebox's, so ajv need not hold them against JSON Schema's own; a keyword that it does not know it refuses.
const AJV_OPTIONS = {
  removeAdditional: false,
  useDefaults: true,
  allErrors: false,
  strict: true,
  strictTypes: false,
  validateSchema: false,
} as const;

/** Of schemas in which nothing refers to another. */
export function compileLate(server: FastifyInstance): void {
  // Bodies are never coerced; query strings arrive as text, so they alone are.
  const strict = new Ajv(AJV_OPTIONS);
  const coercing = new Ajv({ ...AJV_OPTIONS, coerceTypes: true });
  for (const ajv of [strict, coercing]) ajv.addKeyword('kind').addKeyword('example');
  const compileCheck: FastifySchemaCompiler<object> = ({ schema, httpPart }) => {
    const ajv = httpPart === 'querystring' ? coercing : strict;
    let compiled: ValidateFunction | undefined;
    const check: ReturnType<FastifySchemaCompiler<object>> = (data) => {
      compiled ??= ajv.compile(schema);
      const passes = compiled(data);
      check.errors = compiled.errors ?? null;
      return passes;
    };
    return check;
  };
  const compileWriter = SerializerSelector()({}, {}) as FastifySerializerCompiler<object>;
  server.setValidatorCompiler(compileCheck);
  server.setSerializerCompiler((route) => {
    let write: ReturnType<typeof compileWriter> | undefined;
    return (data) => (write ??= compileWriter(route))(data);
  });
}
