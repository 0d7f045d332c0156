// A disk that is really full, under the audit log alone: PostgreSQL answers "No space left on device", and recovers.
import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { Cluster } from './postgres.ts';

export interface FullDisk {
  /** Moves this month's rows to a small file system, and fills what they leave of it. */
  fill(): Promise<void>;
  /** Makes room, and moves them back. */
  empty(): Promise<void>;
  /** Before the cluster's folder is removed. */
  unmount(): void;
}

const SIZE_MB = 32;
const NOBODY = 65534;
const FILLER = 'st_filler';

const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code;

/** To mount a file system takes root, as CI is. */
export function createFullDisk(cluster: Pick<Cluster, 'dir' | 'url'>): FullDisk {
  const folder = join(cluster.dir, 'small');
  const ballast = join(folder, 'ballast');

  async function run(work: (client: pg.Client) => Promise<void>): Promise<void> {
    const client = new pg.Client({ connectionString: cluster.url });
    await client.connect();
    try {
      await work(client);
    } finally {
      await client.end();
    }
  }

  async function mount(client: pg.Client): Promise<void> {
    if (existsSync(folder)) return;
    mkdirSync(folder, { mode: 0o700 });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_MB}m,mode=0700`, 'tmpfs', folder]);
    chownSync(folder, NOBODY, NOBODY);
    await client.query(`create tablespace small location '${folder}'`);
  }

  /** Uses up the room in pages that are there already, so that the next row needs another. */
  async function fillPages(client: pg.Client, month: string): Promise<void> {
    for (let size = 4000; size >= 1; size = Math.floor(size / 2)) {
      try {
        for (let row = 0; row < 20_000; row += 1)
          await client.query(
            `insert into audit (month, stream, seq, at, kind, row, hash) values ($1, $2, $3, '2000-01-01', 'x', repeat('x', $4), '')`,
            [month, FILLER, size * 100_000 + row, size],
          );
      } catch (error) {
        if (codeOf(error) !== '53100') throw error;
      }
    }
  }

  const partition = (month: string): string => `audit_${month.slice(0, 7).replace('-', '_')}`;
  const thisMonth = (): string => `${new Date().toISOString().slice(0, 7)}-01`;

  return {
    fill: () =>
      run(async (client) => {
        await mount(client);
        const month = thisMonth();
        await client.query(`alter table ${partition(month)} set tablespace small`);
        try {
          writeFileSync(ballast, Buffer.alloc((SIZE_MB + 1) * 1024 * 1024, 1));
        } catch (error) {
          if (codeOf(error) !== 'ENOSPC') throw error;
        }
        await fillPages(client, month);
      }),
    empty: () =>
      run(async (client) => {
        rmSync(ballast);
        await client.query('delete from audit where stream = $1', [FILLER]);
        await client.query(`alter table ${partition(thisMonth())} set tablespace pg_default`);
      }),
    unmount: () => {
      if (existsSync(folder)) execFileSync('umount', ['-l', folder]);
    },
  };
}
