// The host's Unix socket: whoever has a shell here gets a 15-minute token for the API, on record like any other.
import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { AuditStream } from '../audit/stream.ts';
import { PRINTABLE } from '../clients/schema.ts';
import { StartError } from '../errors.ts';
import { SCOPES } from '../http/scopes.ts';
import { apiAudience } from '../tokens/audiences.ts';
import type { Minted } from '../tokens/mint.ts';

const Text = (maxLength: number) => Type.String({ minLength: 1, maxLength, pattern: PRINTABLE });

const TokenBody = Type.Object(
  {
    scopes: Type.Optional(Type.Array(Type.Enum([...SCOPES]), { uniqueItems: true, maxItems: SCOPES.length })),
    as: Type.Optional(Text(100)),
    reason: Type.Optional(Text(500)),
  },
  { additionalProperties: false },
);

export interface HostSocketDeps {
  issuerUrl: string;
  internalUrl: string;
  stream: AuditStream;
  mint(input: {
    audience: string;
    scope: string;
    actor?: string | undefined;
    reason?: string | undefined;
  }): Promise<Minted>;
}

export function registerHostRoutes(
  server: FastifyInstance,
  { issuerUrl, internalUrl, stream, mint }: HostSocketDeps,
): void {
  server.post(
    '/token',
    { schema: { body: TokenBody, hide: true }, config: { anyHost: true } },
    async (request, reply) => {
      const { scopes = SCOPES, as, reason } = request.body as Static<typeof TokenBody>;
      const audience = apiAudience(issuerUrl);
      const minted = await mint({ audience, scope: scopes.join(' '), actor: as, reason });
      await stream.append({
        entry: {
          kind: 'token.minted',
          actor: 'host',
          details: {
            audience,
            scope: scopes.join(' '),
            as,
            reason,
            jti: minted.jti,
            kid: minted.kid,
            request_id: request.id,
          },
        },
      });
      reply.header('cache-control', 'no-store');
      return {
        access_token: minted.token,
        token_type: 'Bearer',
        expires_in: 900,
        scope: scopes.join(' '),
        api_url: internalUrl,
      };
    },
  );
}

/** Ours alone, or refused: a folder that others can write to is a socket that others can replace. */
async function claimFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await lstat(folder);
  const uid = process.getuid?.();
  if (!found.isDirectory() || (uid !== undefined && found.uid !== uid) || (found.mode & 0o077) !== 0) {
    throw new StartError(
      'socket_folder_not_ours',
      `${folder} must be a folder of this user's with mode 0700.`,
      `Remove it or chmod 700 it, or set SOCKET_PATH to a path in a folder of this user's.`,
    );
  }
}

async function isAlive(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/**
 * Binds the server to the path: folder 0700, socket 0600, a stale one unlinked under a lock beside it. A server
 * that closes takes its socket with it at once; later, the path may be its successor's.
 * @throws StartError `socket_in_use`, `socket_folder_not_ours`
 */
export async function listenOnSocket(server: FastifyInstance, path: string): Promise<void> {
  await claimFolder(dirname(path));
  const lock = new DatabaseSync(join(dirname(path), '.lock.sqlite'), { timeout: 2000 });
  try {
    lock.exec('begin exclusive');
    const found = await lstat(path).catch(() => undefined);
    if (found) {
      if (!found.isSocket() || (await isAlive(path))) {
        throw new StartError(
          'socket_in_use',
          `Another process listens on ${path}.`,
          'Stop it, or give this one a DATA_DIR or a SOCKET_PATH of its own.',
        );
      }
      await unlink(path);
    }
    // Before bind, so that the socket is never open to others, not even for a moment.
    const umask = process.umask(0o177);
    try {
      await server.listen({ path });
    } finally {
      process.umask(umask);
    }
    await chmod(path, 0o600);
  } finally {
    lock.close();
  }
}
