// One wiring place: from a configuration to a running service, everything given what it needs.
import type { FastifyBaseLogger } from 'fastify';
import packageJson from '../package.json' with { type: 'json' };
import type { AppDeps } from './app.ts';
import { createAct, SYSTEM } from './audit/act.ts';
import { createRefusals } from './audit/refusals.ts';
import { createAuditStream } from './audit/stream.ts';
import { createBackground } from './background.ts';
import type { Clock } from './clock.ts';
import { createAwsSts } from './clouds/aws.ts';
import { createAwsKms } from './clouds/aws-kms.ts';
import type { Config } from './config.ts';
import { createProofs } from './connections/canary/create.ts';
import { createVerifier } from './connections/verifier.ts';
import { createProvesItself } from './clients/proof.ts';
import { createSuspect } from './connections/verification/suspect.ts';
import { createBroker } from './credentials/broker.ts';
import { createSessions } from './credentials/sessions.ts';
import { shareReads } from './shared-reads.ts';
import type { Database } from './db/connect.ts';
import { SOON_MS, within } from './db/within.ts';
import { assertLabelsUnambiguous } from './grants/ambiguity.ts';
import { decide } from './grants/decide.ts';
import { holdsGrants } from './grants/store.ts';
import { listGrantedConnections, mayUseConnection } from './grants/visible.ts';
import { createListenerOptions } from './http/listeners.ts';
import { createLeaving } from './http/closing.ts';
import { createLimits } from './http/rates.ts';
import { createProve } from './identities/prove.ts';
import { createVerifyShown } from './identities/shown.ts';
import { issuerUrlOf, PLATFORM } from './issuers/documents.ts';
import { createServedCheck } from './issuers/served-check.ts';
import { createSelfCheck } from './issuers/self-check.ts';
import { createKmsHolder } from './keys/held/aws-kms.ts';
import { createRewrapping } from './keys/keyring/rewrap.ts';
import { publishedWithout } from './keys/placements.ts';
import { mayProveRevocation } from './keys/proofs.ts';
import { createRings } from './keys/rings.ts';
import type { RotateDeps } from './keys/rotate.ts';
import { createLocalSigner } from './keys/signer.ts';
import { isRevoked, readClock } from './keys/store.ts';
import { activeKey } from './keys/timeline.ts';
import { createRingView } from './keys/view.ts';
import { listen } from './listen.ts';
import { createMetrics } from './metrics/metrics.ts';
import { createCountProblem } from './metrics/problems.ts';
import { measureSts } from './metrics/sts.ts';
import { createAuthenticate, bearerToken } from './oauth/authenticate.ts';
import { createClients } from './oauth/clients.ts';
import { countAnswers } from './oauth/counted.ts';
import { createDecideToken } from './oauth/decide.ts';
import { createProvider } from './oauth/provider.ts';
import { createRecord } from './oauth/record.ts';
import { createStillMay } from './oauth/still-may.ts';
import { findClient, lockClient } from './oauth/store.ts';
import { assertGuarded, createEgress } from './reach/egress.ts';
import { type Ask, createAsk } from './reach/stranger.ts';
import { createReadiness } from './readiness.ts';
import { start } from './start.ts';
import { scheduleTasks } from './tasks.ts';
import { readStanding } from './seal/store.ts';
import { apiAudience } from './tokens/audiences.ts';
import { createMintCanary } from './tokens/canary.ts';
import { createDraftWebIdentityToken, createMintWebIdentityToken, mintHostToken } from './tokens/mint.ts';
import { countBearers } from './tokens/counted.ts';
import { createRevoked } from './tokens/revoked.ts';
import { createVerifyWorkloadToken } from './tokens/verify.ts';
import { createIssuerKeys } from './trusted-issuers/keys.ts';
import { startTraces } from './tracing/start.ts';
import { watched } from './watched.ts';

export interface Service {
  /** Where the listeners are bound; the same twice where they are one. */
  publicPort: number;
  internalPort: number;
  /** See `Opening`: until it resolves, documents are all that is served. */
  opened: Promise<boolean>;
  close(): Promise<void>;
}

export interface ServiceDeps {
  database: Database;
  /** Before anything else is asked of the database; tests give one that is migrated. */
  migrate?: (() => Promise<void>) | undefined;
  clock: Clock;
  /** By which rates count; `clock` unless given. */
  pace?: Pick<Clock, 'monotonic'> | undefined;
  /** Milliseconds that a caller waits for its row in the audit; the stream's own unless given. */
  appendDeadlineMs?: number | undefined;
  log: FastifyBaseLogger;
  /** How strangers' requests are made; over the network unless given. */
  ask?: Ask | undefined;
  /** How trusted issuers are asked: guarded, or the start fails. */
  egress?: Ask | undefined;
}

/**
 * Starts listening: at once where there is a snapshot to serve documents from, else when the database has answered.
 * @throws StartError with a name and what to do.
 */
export async function startService(config: Config, deps: ServiceDeps): Promise<Service> {
  const { database, clock, log } = deps;
  const { db } = database;
  const { issuerUrl, internalUrl } = config;
  const metrics = createMetrics({ version: packageJson.version });
  const { count } = metrics;
  const egress = deps.egress ?? createEgress(config.egress);
  // Where configuration lets it go to itself, the same guard without that.
  await assertGuarded(config.egress.toItself && !deps.egress ? createEgress({ allowed: () => false }) : egress);
  const traces = await startTraces(config, { count, log });
  const tracer = traces?.tracer;
  const view = createRingView({ db, clock, readClock });
  // Two streams: an administrative act that waits for a row must not hold up tokens.
  const writing = { database, clock, count, tracer, deadlineMs: deps.appendDeadlineMs };
  const stream = createAuditStream(writing);
  const acts = createAuditStream(writing);
  const act = createAct(acts);

  const kms = createAwsKms({ endpointUrl: config.kmsEndpointUrl });
  const { keyring, presence, opening, restored, writeSnapshot } = await start(config, {
    ...{ database, kms, view, act, clock, log, migrate: deps.migrate },
  });
  const holders = { aws_kms: createKmsHolder(kms, issuerUrl) };
  const rings = createRings({ db, keyring, readClock, holders });
  const signer = createLocalSigner({ db, keyring, clock, holders });
  const minting = { issuerUrl, view, signer, clock };
  const { catchUp, stillPublished } = createRevoked(view);
  const limits = createLimits(config.rates, deps.pace ?? clock);
  const verify = countBearers(createVerifyWorkloadToken({ issuerUrl, view }), limits);
  const keysOfIssuers = createIssuerKeys({ ask: egress, clock, log });
  const sts = measureSts(createAwsSts({ endpointUrl: config.stsEndpointUrl }), { count, clock, tracer });
  const refusals = createRefusals(stream, clock);
  const clients = createClients(db, () => stream.epoch);
  const prove = createProve({
    ...{ db, issuerUrl, keys: keysOfIssuers, now: view.now, refusals },
    epoch: () => stream.epoch,
  });
  const decideToken = createDecideToken({ db, issuerUrl, mayUseConnection });
  const provider = createProvider({
    ...{ issuerUrl, view, signer, decideToken, catchUp, clock },
    record: countAnswers(createRecord({ stream, refusals, decideToken, stillPublished, log }), count),
  });
  const rewrapping = createRewrapping({ db, act, keyring, clock, worker: presence.id });
  const verifier = createVerifier({
    ...{ db, act, sts, clock, readClock, log, issuerUrl },
    mintWebIdentityToken: createMintWebIdentityToken(minting),
    recordIntent: (connection, { kid, jti }, epoch) =>
      stream.append({
        epoch,
        entry: { kind: 'connection.verification_intent', actor: SYSTEM.id, connection, details: { kid, jti } },
      }),
  });
  const mayProve = (ring: string, kid: string) => mayProveRevocation(db, ring, kid, view.now());
  const proofs = createProofs({
    ...{ db, act, readClock, log, clock, view, sts, count, append: (append) => stream.append(append) },
    mintCanary: createMintCanary({ ...minting, mayProveRevocation: mayProve }),
    publishedWithout: (kid) => publishedWithout(db, kid),
    wake: () => verifier.wake(),
    drop: signer.drop,
  });
  const ask = deps.ask ?? createAsk();
  const served = createServedCheck({ issuerUrl, ask, clock });
  const rotation: RotateDeps = {
    db,
    act,
    rings,
    readClock,
    // Where nobody would find the key, STS need not be asked.
    checks: [served, proofs.checkStandby],
    served,
    mayStillRotate: createStillMay(findClient, 'keys:rotate'),
    changed: () => view.refresh(),
  };

  const sessions = createSessions({ clock, pace: deps.pace });

  const leaving = createLeaving(config.drainMs);
  const urls = { issuerUrl, internalUrl };
  const selfCheck = createSelfCheck({ ...{ urls, view, db, clock, log }, ask });
  const readiness = createReadiness({
    ...{ db, view, opening, leaving, streams: [stream, acts] },
    opens: async () => {
      const [kid] = (view.find(PLATFORM) ?? []).flatMap((ring) => activeKey(ring.keys, view.now())?.kid ?? []);
      return kid !== undefined && (await signer.opens(kid));
    },
  });
  const options = createListenerOptions(config, {
    ...{ clock, log, closedBecause: opening.reason, tracer, countProblem: createCountProblem(count) },
  });
  const streams = { tokens: stream, acts };
  metrics.watch(watched({ database, clock, view, streams, readiness, selfCheck, listeners: options, sessions }));

  const app: AppDeps = {
    issuers: { urls, view },
    oauth: {
      ...{ issuerUrl, provider, clients, clock, count, refusals, limits, prove },
      provesItself: await createProvesItself(),
    },
    credentials: {
      ...{ issuerUrl, refusals, limits, bearerToken },
      verify: createVerifyShown({
        ...{ issuerUrl, verify, prove, stream, count: limits.count },
        readWorkload: clients.read,
      }),
      obtainCredentials: createBroker({
        ...{ issuerUrl, stream, sts, count, catchUp, sessions, clock },
        draftWebIdentityToken: createDraftWebIdentityToken(minting),
        decide: shareReads(
          (question) => within(SOON_MS, decide(db, question)),
          (question) => JSON.stringify(question),
        ),
        suspect: createSuspect({ act, log, wake: () => verifier.wake() }),
      }),
    },
    workloads: { db, act, clock, pace: deps.pace, issuerUrl, holdsGrants },
    trustedIssuers: { db, act, issuerUrl, keys: keysOfIssuers },
    identities: { db, act, holdsGrants },
    administrators: { db, act, clock },
    connections: {
      ...{ db, act, rings, clock, issuerUrl, listGrantedConnections, assertLabelsUnambiguous },
      templateUrl: config.templateUrl,
      learn: view.learn,
      changed: () => view.refresh(),
      wake: () => verifier.wake(),
      assertReachable: selfCheck.assertReachable,
    },
    grants: { db, act },
    keys: { ...rotation, issuerUrlOf: (issuer) => issuerUrlOf(issuerUrl, issuer) },
    keks: { db, act, keyring },
    signers: { db, act, holders, readClock },
    publishing: { db, act, readClock, urls },
    status: { issuerUrl, latestLook: selfCheck.latest, readSeal: async () => (await readStanding(db)).seal },
    seal: { act },
    host: {
      ...{ issuerUrl, internalUrl, stream },
      mint: (input) => mintHostToken(minting, input),
    },
    ...{ refusals, limits },
    readiness,
    metrics,
    authenticate: createAuthenticate({
      ...{ db, clients, verify, audience: apiAudience(issuerUrl) },
      ...{ lockClient, isRevoked },
    }),
    apiPage: config.loopback,
  };

  const listening = await listen(app, options, config);
  const background = createBackground(log, clock);
  background.every('look at the listeners', 5_000, options.look);
  background.atOnce('look at our own documents from outside', 60_000, selfCheck.look);
  let closing = false;
  if (restored && opening.reason() !== undefined)
    log.warn(
      { reason: opening.reason() },
      'serving documents from the snapshot; everything else waits for the database',
    );
  const opened = opening.opened.then((done) => {
    if (!done || closing) return false;
    scheduleTasks(background, {
      ...{ db, clock, streams: [stream, acts] },
      view,
      writeSnapshot,
      refusals,
      rotation,
      proofs,
      signer,
      custody: { presence, rewrapping, holders },
      sessions,
    });
    verifier.start();
    return true;
  });
  opened.catch(() => {});

  const { publicPort, internalPort } = listening;
  return {
    ...{ publicPort, internalPort, opened },
    close: async () => {
      await listening.leave(leaving);
      closing = true;
      opening.stop();
      rewrapping.stop();
      await Promise.all([verifier.stop(), background.stop()]);
      await listening.close();
      // Fetched beside a hand-out: nobody waits for them, but their outcomes are rows.
      await sessions.settled();
      sessions.clear();
      await refusals
        .flush(true)
        .catch((error: unknown) => log.warn({ err: error }, 'counts of refusals could not be written'));
      await Promise.all([stream.close(), acts.close()]);
      await within(SOON_MS, presence.leave()).catch(() => {});
      sts.close();
      kms.close();
      await traces?.close();
    },
  };
}
