// Room for sessions in memory, and for new ones: who asks for much takes nothing from the others.
import { type Defence, provenBy } from './defence.ts';

const SESSIONS = 'test/credentials/sessions.test.ts';
const sessionsFile = 'src/credentials/sessions.ts';
const keptFile = 'src/credentials/kept.ts';
const newSessions = 'src/credentials/new-sessions.ts';
const lanes = 'src/credentials/lanes.ts';

export const room: Defence[] = [
  ...provenBy(SESSIONS, 'a flood of one connection is refused with its time, and starves no other', [
    {
      name: 'sessions.rate',
      promise: "one connection's flood is bounded",
      file: newSessions,
      find: "refuse(ofConnections.take(connection), perConnection, 'of this connection');",
      replace: 'void ofConnections;',
    },
  ]),
  ...provenBy(SESSIONS, 'a flood of one workload leaves the others of its connection served', [
    {
      name: 'sessions.workload-rate',
      promise: "and so is one workload's, which leaves the others of its connection served",
      file: newSessions,
      find: "refuse(ofWorkloads.take(`${workload} ${connection}`), perWorkload, 'of this connection by this workload');",
      replace: 'void [ofWorkloads, perWorkload, workload];',
    },
    {
      name: 'sessions.workload-rate-first',
      promise: "what a workload is refused takes nothing of the connection's",
      file: newSessions,
      find: "refuse(ofWorkloads.take(`${workload} ${connection}`), perWorkload, 'of this connection by this workload');",
      replace:
        "const taken = ofConnections.take(connection);\n      refuse(ofWorkloads.take(`${workload} ${connection}`), perWorkload, 'of this connection by this workload');\n      refuse(taken, perConnection, 'of this connection');",
      also: [
        {
          file: newSessions,
          find: "refuse(ofConnections.take(connection), perConnection, 'of this connection');\n    },",
          replace: '},',
        },
      ],
    },
  ]),
  ...provenBy(SESSIONS, 'who asks for something new each time pushes out its own sessions, the longest unused first', [
    {
      name: 'sessions.share',
      promise: 'who narrows each session, or asks for a new duration each time, pushes out no sessions of others',
      file: keptFile,
      find: 'own.items.size > room.ofOne',
      replace: 'own.items.size > room.items',
    },
    {
      name: 'sessions.share-used',
      promise: 'nor those of its own that it uses',
      file: sessionsFile,
      find: 'kept.use(old);',
      replace: '',
    },
  ]),
  ...provenBy(SESSIONS, 'who asks for sessions of very many connections pushes out its own, and nobody else', [
    {
      name: 'sessions.share-of-all',
      promise: 'nor does who asks for them in very many connections',
      file: keptFile,
      find: 'dropFirst(ofWorkloads.largest())',
      replace: 'drop(all.values().next().value)',
    },
  ]),
  ...provenBy('test/credentials/kept.test.ts', 'long ones count as what they are', [
    {
      name: 'sessions.room',
      promise: 'what is kept has a bound in memory, however long its tokens are',
      file: keptFile,
      find: 'all.size > room.items || characters > room.characters',
      replace: 'all.size > room.items',
    },
  ]),
  ...provenBy(
    'test/credentials/kept.test.ts',
    'what was dropped comes back by no use of it, nor takes the place of what came after it',
    [
      {
        name: 'sessions.dropped',
        promise: 'what was dropped counts no more, and never makes room by going once more',
        file: keptFile,
        find: 'all.get(item.key) === item',
        replace: 'item !== undefined',
      },
    ],
  ),
  ...provenBy(SESSIONS, 'connections take turns, and one has a share alone', [
    {
      name: 'sessions.waiting',
      promise: 'no more wait than can be served',
      file: lanes,
      find: 'if (allWaiting >= waiting || waitingFor.of(region) >= share(waiting)) throw busy();',
      replace: 'void [waiting, waitingFor];',
    },
  ]),
  ...provenBy(SESSIONS, 'a connection that waits is not behind all of a flood', [
    {
      name: 'sessions.turns',
      promise: "a connection that waits is not behind everybody of another's flood",
      file: lanes,
      find: 'if (queue.length > 0) queues.set(name, queue);',
      replace:
        'if (queue.length > 0) {\n        const others = [...queues];\n        queues.clear();\n        queues.set(name, queue);\n        for (const [key, value] of others) queues.set(key, value);\n      }',
    },
  ]),
  ...provenBy(SESSIONS, 'a workload that waits is not behind all of the flood of another in the same connection', [
    {
      name: 'sessions.turns-of-workloads',
      promise: "nor behind another workload's flood in the same connection",
      file: lanes,
      find: '`${workload} ${connection}`',
      replace: '(void workload, connection)',
    },
  ]),
  ...provenBy(SESSIONS, 'a region that hangs leaves room for the others, however many connections are of it', [
    {
      name: 'sessions.region-share',
      promise: 'a region whose STS hangs does not stop the others',
      file: lanes,
      find: 'ofRegions.of(region) < share(total)',
      replace: 'ofRegions.of(region) < total',
    },
    {
      name: 'sessions.region-waiting',
      promise: 'nor does it fill the room in which they wait',
      file: lanes,
      find: 'if (allWaiting >= waiting || waitingFor.of(region) >= share(waiting)) throw busy();',
      replace: 'if (allWaiting >= waiting) throw busy();',
    },
  ]),
  ...provenBy(SESSIONS, 'a turn that comes too late is not taken', [
    {
      name: 'sessions.late-turn',
      promise: 'a call that nobody waits for any more is not made',
      file: lanes,
      find: '<= LONGEST_WAIT_MS',
      replace: '<= 1000 * LONGEST_WAIT_MS',
    },
  ]),
];
