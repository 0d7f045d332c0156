// A bare Fastify with the libraries that the service imports: what they cost before any of our code runs.
import '@aws-sdk/client-sts';
import '@fastify/swagger';
import '@fastify/swagger-ui';
import '@prometheus-io/client';
import 'ajv';
import 'close-with-grace';
import '@electric-sql/pglite';
import 'jose';
import 'jsonc-parser';
import 'kysely';
import 'lru-cache';
import 'oidc-provider';
import 'p-limit';
import 'pg';
import 'pino';
import 'typebox';
import Fastify from 'fastify';

const server = Fastify();
server.get('/', async () => ({}));
await server.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
process.stdout.write('listening\n');
process.on('SIGTERM', () => process.exit(0));
