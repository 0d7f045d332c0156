// The baseline of hand-outs: one Fastify route that verifies a token with jose and answers the bytes it was given.
import Fastify from 'fastify';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';

const { PORT, BODY = '', JWKS = '{"keys":[]}', ISSUER = '', AUDIENCE = '' } = process.env;
const keys = createLocalJWKSet(JSON.parse(JWKS) as JSONWebKeySet);
const checks = { issuer: ISSUER, audience: AUDIENCE, typ: 'at+jwt', algorithms: ['ES256'] };
const server = Fastify();
server.get('/credentials', async (request, reply) => {
  await jwtVerify((request.headers.authorization ?? '').slice('Bearer '.length), keys, checks);
  return reply.header('content-type', 'application/json').send(BODY);
});
await server.listen({ port: Number(PORT), host: '127.0.0.1' });
process.stdout.write('listening\n');
process.on('SIGTERM', () => process.exit(0));
