// The faults of the failure table: how each comes about for real, what must still be answered, and how it ends.
import pg from 'pg';
import type { House } from './house.ts';

/** What a column of the table says. `read-only`: reads are answered, changes are refused with 503. */
export type Cell = 'served' | '503' | 'ok' | 'read-only' | 'odd';

export interface Fault {
  name: string;
  /** In DESIGN.md's order: discovery and JWKS, tokens, broker, administration (by a token held from before). */
  expected: {
    documents: 'served';
    tokens: 'ok' | '503';
    broker: 'ok' | '503';
    administration: 'ok' | '503' | 'read-only';
  };
  /** Of /readyz?capability=…, what its reason says; undefined where it is ready. */
  reasons: { tokens?: RegExp; broker?: RegExp; admin?: RegExp };
  begin(house: House): Promise<void> | void;
  end(house: House): Promise<void> | void;
}

const ALL_AWAY = { documents: 'served', tokens: '503', broker: '503', administration: '503' } as const;
const NO_ANSWER = { tokens: /database/, broker: /database/, admin: /database/ };
const NO_SIGNING = { documents: 'served', tokens: '503', broker: '503', administration: 'ok' } as const;
const NO_RECORD = { documents: 'served', tokens: '503', broker: '503', administration: 'read-only' } as const;
const NO_STS = { documents: 'served', tokens: 'ok', broker: '503', administration: 'ok' } as const;

async function asSuperuser(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/** A revocation waits for no look at the successor. */
async function revokeActive(api: House['api'], issuer: string): Promise<void> {
  const { body } = await api('GET', `/v1/keys/${issuer}`);
  const { kid } = body.items[0].keys.find(({ state }: { state: string }) => state === 'active');
  const asked = { kid, accept_outage: true };
  const { status, body: answer } = await api('POST', `/v1/keys/${issuer}/revoke`, asked, {
    'countersign-reason': 'a%20test',
  });
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(answer)}`);
}

/** Ends what the service holds open, so that it meets what is new. */
const DROP_OTHERS = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'countersign'`;

const held: { refusing?: pg.Client; locking?: pg.Client } = {};

export const FAULTS: readonly Fault[] = [
  {
    name: 'the database is down',
    ...{ expected: ALL_AWAY, reasons: NO_ANSWER },
    begin: ({ cluster }) => cluster.kill(),
    end: ({ cluster }) => cluster.start(),
  },
  {
    name: 'the database hangs',
    ...{ expected: ALL_AWAY, reasons: NO_ANSWER },
    begin: ({ cluster }) => cluster.pause(),
    end: ({ cluster }) => cluster.resume(),
  },
  {
    name: 'the database refuses connections',
    ...{ expected: ALL_AWAY, reasons: NO_ANSWER },
    begin: async ({ cluster }) => {
      const client = new pg.Client({ connectionString: cluster.url.replace(/postgres$/, 'template1') });
      client.on('error', () => {});
      await client.connect();
      held.refusing = client;
      await client.query('alter database postgres with allow_connections false');
      await client.query(DROP_OTHERS);
    },
    end: async () => {
      await held.refusing?.query('alter database postgres with allow_connections true');
      await held.refusing?.end();
    },
  },
  {
    name: 'the database is read-only, as a standby that was not promoted',
    ...{
      expected: NO_RECORD,
      reasons: { tokens: /read-only/, broker: /read-only/, admin: /read-only/ },
    },
    begin: ({ cluster }) =>
      asSuperuser(cluster.url, async (client) => {
        await client.query('alter system set default_transaction_read_only = on');
        await client.query('select pg_reload_conf()');
        await client.query(DROP_OTHERS);
      }),
    end: ({ cluster }) =>
      asSuperuser(cluster.url, async (client) => {
        await client.query('set default_transaction_read_only = off');
        await client.query('alter system reset default_transaction_read_only');
        await client.query('select pg_reload_conf()');
        await client.query(DROP_OTHERS);
      }),
  },
  {
    name: "the audit log's disk is full",
    ...{ expected: NO_RECORD, reasons: { tokens: /record/, broker: /record/, admin: /record/ } },
    begin: ({ disk }) => disk.fill(),
    end: ({ disk }) => disk.empty(),
  },
  {
    name: 'the audit log cannot be written',
    ...{ expected: NO_RECORD, reasons: { tokens: /record/, broker: /record/, admin: /record/ } },
    begin: ({ sql }) =>
      sql(`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no' using errcode = '42501'; end $$;
        create trigger refuse before insert on audit for each row execute function refuse()`),
    end: ({ sql }) => sql('drop trigger refuse on audit; drop function refuse()'),
  },
  {
    name: 'the view of the keys is older than R',
    ...{ expected: NO_SIGNING, reasons: { tokens: /view/, broker: /view/ } },
    begin: async ({ cluster }) => {
      const client = new pg.Client({ connectionString: cluster.url });
      await client.connect();
      held.locking = client;
      await client.query('begin');
      await client.query('lock table rings in access exclusive mode');
    },
    end: async () => {
      await held.locking?.query('rollback');
      await held.locking?.end();
    },
  },
  {
    name: "the machine's clock is ahead",
    ...{ expected: NO_SIGNING, reasons: { tokens: /clock/, broker: /clock/ } },
    begin: ({ bendClock }) => bendClock(20),
    end: ({ bendClock }) => bendClock(0),
  },
  {
    name: 'the key-encryption key opens the private halves no more',
    ...{ expected: NO_SIGNING, reasons: { tokens: /does not open/, broker: /does not open/ } },
    begin: async ({ api, sql, issuer }) => {
      // A standby is opened when STS is shown it; one that is too young for that was never open.
      await revokeActive(api, issuer);
      await sql(`create table kept as select kid, envelope from private_keys`);
      await sql(`update private_keys set envelope = set_byte(envelope, 40, get_byte(envelope, 40) # 1)`);
      // Those that sign are open in memory; their successors are not.
      const now = { now: true };
      const rotated = await api('POST', '/v1/keys/platform/rotate', now, { 'countersign-reason': 'a%20test' });
      if (rotated.status !== 200) throw new Error(`not rotated: ${JSON.stringify(rotated.body)}`);
      await revokeActive(api, issuer);
    },
    end: ({ sql }) =>
      sql(
        'update private_keys set envelope = kept.envelope from kept where kept.kid = private_keys.kid; drop table kept',
      ),
  },
  {
    name: 'the service is sealed',
    ...{ expected: NO_SIGNING, reasons: { tokens: /sealed since/, broker: /sealed since/ } },
    begin: async ({ api }) => {
      const reason = { 'countersign-reason': 'a%20test' };
      await api('POST', '/v1/service/seal', undefined, reason);
    },
    end: async ({ api }) => {
      const reason = { 'countersign-reason': 'a%20test' };
      await api('POST', '/v1/service/unseal', undefined, reason);
    },
  },
  {
    name: 'AWS STS is down',
    ...{ expected: NO_STS, reasons: {} },
    begin: ({ sandbox }) => sandbox.faults.add({ action: 'AssumeRoleWithWebIdentity', kind: 'reset' }),
    end: ({ sandbox }) => sandbox.faults.clear(),
  },
  {
    name: 'AWS STS throttles',
    ...{ expected: NO_STS, reasons: {} },
    begin: ({ sandbox }) => sandbox.faults.add({ action: 'AssumeRoleWithWebIdentity', kind: 'throttle' }),
    end: ({ sandbox }) => sandbox.faults.clear(),
  },
  {
    name: 'AWS STS stalls',
    ...{ expected: NO_STS, reasons: {} },
    begin: ({ sandbox }) =>
      sandbox.faults.add({ action: 'AssumeRoleWithWebIdentity', kind: 'latency', latencyMs: 30_000 }),
    end: ({ sandbox }) => sandbox.faults.clear(),
  },
];
