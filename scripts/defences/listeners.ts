// Listeners: TLS and its renewal, proxies that are believed, connections and those who hold them.
import { type Defence, provenBy } from './defence.ts';

const TLS = 'test/http/tls.test.ts';
const CONNECTIONS = 'test/http/connections.test.ts';
const ONCE = 'test/http/once.test.ts';
const once = 'src/http/idempotency.ts';
const RATES = 'test/http/rates.test.ts';
const counted = 'src/tokens/counted.ts';
const tls = 'src/http/tls.ts';
const connections = 'src/http/connections.ts';
const node = 'src/http/node-server.ts';

export const listeners: Defence[] = [
  ...provenBy(TLS, 'a start with TLS that cannot work is refused by name', [
    {
      name: 'tls.pair',
      promise: 'a key that is not the certificate’s stops the start',
      file: tls,
      find: 'if (!certificate.checkPrivateKey(parseKey(key, keyFile)))',
      replace: 'if (!parseKey(key, keyFile))',
    },
    {
      name: 'tls.both-or-neither',
      promise: 'half of a pair is not passed over in favour of plain http',
      file: 'src/http/bounds.ts',
      find: 'if (certFile === undefined || keyFile === undefined) {',
      replace: 'if (certFile === undefined || keyFile === undefined) { return undefined;',
    },
  ]),
  ...provenBy(TLS, 'TLS 1.2 at least, whatever Node was told, and after a renewal too', [
    {
      name: 'tls.minimum',
      promise: 'TLS 1.2 or later, whatever Node was told',
      file: tls,
      find: "MIN_TLS = 'TLSv1.2'",
      replace: "MIN_TLS = 'TLSv1'",
    },
    {
      name: 'tls.minimum-renewed',
      promise: 'TLS 1.2 or later after a renewal',
      file: tls,
      find: 'server.setSecureContext(options())',
      replace: 'server.setSecureContext(pair)',
    },
  ]),
  ...provenBy(TLS, 'what does not fit together leaves the old pair in use, and is named once', [
    {
      name: 'tls.renewed-pair',
      promise: 'a renewed pair is used only where it fits together',
      file: tls,
      find: 'certificate = checkPair(found, files);',
      replace: '',
    },
  ]),
  ...provenBy(TLS, 'who does not agree on TLS is let go', [
    {
      name: 'tls.handshake-deadline',
      promise: 'a handshake has a deadline',
      file: node,
      find: 'handshakeTimeout: deadlines.handshakeMs',
      replace: 'handshakeTimeout: 120_000',
    },
  ]),
  ...provenBy(CONNECTIONS, 'one address has so many connections, and what it lets go of it may have again', [
    {
      name: 'listeners.connections-of-address',
      promise: 'one address does not take every connection',
      file: connections,
      find: 'if (count >= perAddress) {',
      replace: 'if (count < 0) {',
    },
  ]),
  ...provenBy(CONNECTIONS, 'a listener has so many connections, those of a proxy are not counted as one address', [
    {
      name: 'listeners.connections',
      promise: 'a listener has a bound of connections',
      file: connections,
      find: 'server.maxConnections = bounds.total;',
      replace: '',
    },
  ]),
  ...provenBy(CONNECTIONS, 'who does not read its answers is cut, with little of them in memory', [
    {
      name: 'listeners.slow-reader',
      promise: 'a slow reader is cut, and holds no memory without bound',
      file: connections,
      find: '} else if (ms >= answerMs) {',
      replace: '} else if (ms < 0) {',
    },
  ]),
  ...provenBy(CONNECTIONS, 'who says nothing at all, sends a byte now and then, or stays without a request is let go', [
    {
      name: 'listeners.idle-deadline',
      promise: 'an idle connection has a deadline',
      file: node,
      find: 'keepAliveTimeout: deadlines.idleMs,',
      replace: 'keepAliveTimeout: 600_000,',
    },
  ]),
  ...provenBy(CONNECTIONS, 'ranges of proxies, and what is one caller', [
    {
      name: 'listeners.proxies-named',
      promise: 'proxies are believed by address, not everybody',
      file: 'src/http/addresses.ts',
      find: 'if (Number(length) === 0)',
      replace: 'if (Number(length) < 0)',
    },
    {
      name: 'listeners.ipv6-caller',
      promise: 'who has an IPv6 network is one caller, not 2^64',
      file: 'src/http/addresses.ts',
      find: '.slice(0, 4)',
      replace: '.slice(0, 8)',
    },
    {
      name: 'listeners.no-port',
      promise: 'where a proxy tells the port of a caller, he is one caller, not one for each connection',
      file: 'src/http/addresses.ts',
      find: 'ipv4 ?? ipv6 ?? said',
      replace: 'said',
    },
  ]),
  ...provenBy(RATES, 'who is known and shows a good token in the wrong place is no stranger', [
    {
      name: 'rates.known',
      promise: "a workload's misplaced token does not lock out its address",
      file: 'src/credentials/authorize.ts',
      find: 'throw Object.assign(refused, { bearer: token.subject });',
      replace: 'throw refused;',
    },
  ]),
  ...provenBy(RATES, 'a client that asks too often is told so, on record, and nobody else is', [
    {
      name: 'rates.tokens-of-client',
      promise: 'one client has so many tokens a second',
      file: 'src/oauth/routes.ts',
      find: 'deps.limits.count(client.id);',
      replace: '',
    },
    {
      name: 'rates.calls-of-client',
      promise: 'and so many calls',
      file: counted,
      find: 'limits.count(verified.subject);',
      replace: '',
    },
    {
      name: 'rates.misplaced-tokens',
      promise: 'a token shown where it is not for counts as well',
      file: counted,
      find: 'if (error instanceof WrongAudience) limits.count(error.bearer);',
      replace: '',
    },
    {
      name: 'rates.refusals-recorded',
      promise: 'a client that is refused for its rate is on record',
      file: 'src/oauth/routes.ts',
      find: 'const error = await recordBusy(thrown, deps);',
      replace: 'const error: unknown = thrown;',
    },
  ]),
  ...provenBy(
    RATES,
    'an address that fails too often is refused before anything is verified, and no other address is',
    [
      {
        name: 'rates.failures-of-address',
        promise: 'a flood of bad assertions does not take the processor',
        file: 'src/http/rates.ts',
        find: 'limits.admit(request.ip);',
        replace: '',
      },
      {
        name: 'rates.spoofed-header',
        promise: 'X-Forwarded-For is believed of proxies alone',
        file: 'src/http/server.ts',
        find: 'trustProxy: options.trustProxy ?? false,',
        replace: 'trustProxy: options.trustProxy ?? true,',
      },
    ],
  ),
  ...provenBy(RATES, 'behind a proxy that is believed, callers are told apart by what it says of them', [
    {
      name: 'rates.spoofed-proxy',
      promise: 'and of those alone that are named',
      file: 'src/http/server.ts',
      find: 'trustProxy: options.trustProxy ?? false,',
      replace: 'trustProxy: options.trustProxy !== undefined,',
    },
    {
      name: 'rates.proxy-port',
      promise: 'a proxy is known by its address, whatever port is told of it',
      file: 'src/http/listeners.ts',
      find: 'isProxy(withoutPort(address))',
      replace: 'isProxy(address)',
    },
  ]),
  ...provenBy(RATES, 'so many are remembered, the least recently seen are not', [
    {
      name: 'rates.memory',
      promise: 'rates remember no more than so many',
      file: 'src/http/rates.ts',
      find: 'new LRUCache<string, number>({ max: remembered })',
      replace: 'new Map<string, number>()',
    },
  ]),
  ...provenBy(ONCE, 'twenty at once with one Idempotency-Key make one thing and get one answer', [
    {
      name: 'once.one-thing',
      promise: 'one Idempotency-Key makes one thing, however many come at once',
      file: once,
      find: 'if (stored) return { result: stored, records: [], affectsDecisions: false };',
      replace: '',
    },
  ]),
  ...provenBy(ONCE, 'one Idempotency-Key with other requests at once: one is made, the others are told', [
    {
      name: 'once.same-request',
      promise: 'an Idempotency-Key answers the request that it came with, no other',
      file: once,
      find: '!hash.equals(stored.hash)',
      replace: 'hash.length === 0',
    },
  ]),
  ...provenBy(ONCE, "another's Idempotency-Key is another key, and a refused request leaves its key free", [
    {
      name: 'once.own-key',
      promise: 'nobody is given the answer to another’s Idempotency-Key',
      file: once,
      find: 'const { id: actor } = request.caller;',
      replace: "const actor = 'anybody';",
    },
  ]),
  ...provenBy(ONCE, 'ten keys are ten, and one stays, whoever adds and deletes at once', [
    {
      name: 'once.ten-keys',
      promise: 'a client has ten keys, however many are added at once',
      file: 'src/clients/keys.ts',
      find: 'if (keys.length >= MAX_KEYS) {',
      replace: 'if (keys.length < 0) {',
    },
  ]),
  ...provenBy('test/http/cursors.test.ts', 'every list, while what it lists comes and goes', [
    {
      name: 'once.cursor',
      promise: 'no row twice, none missed, while others write',
      file: 'src/grants/store.ts',
      find: ".orderBy('id')",
      replace: ".orderBy('created_at')",
    },
  ]),
  {
    name: 'listeners.strangers-ask-little',
    promise: "strangers cannot make readiness ask the database, nor read of the seal's author",
    file: 'src/app.ts',
    find: 'registerHealthRoutes(strangers, deps.readiness, FOR_STRANGERS);',
    replace: 'registerHealthRoutes(strangers, deps.readiness);\n    void FOR_STRANGERS;',
    test: [
      'test/metrics/metrics.test.ts',
      'metrics answer any Host without a token on the internal listener, and are not on the public one',
    ],
  },
  {
    name: 'listeners.switched',
    promise: 'a host that answers 101 does not keep a fetch open for ever',
    file: 'src/reach/stranger.ts',
    find: 'finisher(answer)(undefined);',
    replace: 'void answer;',
    test: ['test/reach/reach.test.ts', 'a way that is cut has a name'],
  },
];
