// The baseline of documents: one Fastify route that answers the bytes it was given.
import Fastify from 'fastify';

const { PORT, BODY = '', HEADERS = '{}' } = process.env;
const headers = JSON.parse(HEADERS) as Record<string, string>;
const server = Fastify();
server.get('/document', (_request, reply) => reply.headers(headers).send(BODY));
await server.listen({ port: Number(PORT), host: '127.0.0.1' });
process.stdout.write('listening\n');
process.on('SIGTERM', () => process.exit(0));
