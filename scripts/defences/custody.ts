// Where keys live: several key-encryption keys, the rotation from one to the next, and what another system holds.
import { type Defence, provenBy } from './defence.ts';

const KEK = 'test/keys/kek-rotation.test.ts';
const SIGNER = 'test/keys/kms-signer.test.ts';
const KMS = 'test/keys/kms-kek.test.ts';
const LOST = 'test/keys/lost-kek.test.ts';
const load = 'src/keys/keyring/load.ts';
const rotation = 'src/keys/keyring/rotation.ts';
const rewrap = 'src/keys/keyring/rewrap.ts';
const store = 'src/keys/keyring/store.ts';

export const custody: Defence[] = [
  ...provenBy(KEK, 'refused while a replica that lives does not open the new key: it is named, and nothing is chosen', [
    {
      name: 'custody.everywhere',
      promise: 'no key-encryption key is chosen that a living replica does not open',
      file: rotation,
      find: 'if (without.length > 0)',
      replace: 'if (false)',
    },
    {
      name: 'custody.stops',
      promise: 'rows do not move while a living replica would lose them',
      file: rewrap,
      find: 'if (without.length > 0)',
      replace: 'if (false)',
    },
  ]),
  ...provenBy(LOST, 'without the file a ring moves to AWS KMS, and then a start with another key is taken', [
    {
      name: 'custody.lost-everywhere',
      promise: 'a lost key-encryption key gives way only where every living replica opens the other',
      file: load,
      find: ' || (await nameThoseWithout(trx, kek)).length > 0',
      replace: '',
    },
  ]),
  ...provenBy(LOST, 'a key that is chosen and was not given yet gives way to nothing while another has wrapped', [
    {
      name: 'custody.lost-in-use',
      promise: 'a chosen key-encryption key stands while anything is wrapped',
      file: load,
      find: ' || wrapped || ',
      replace: ' || ',
    },
  ]),
  ...provenBy(KEK, 'a private half wrapped by the key before is not written after the choice', [
    {
      name: 'custody.no-late-row',
      promise: 'no private half is written under a key that is chosen no more',
      file: 'src/keys/rings.ts',
      find: 'if (keys.some(({ kek }) => kek !== HELD && choice && choice.kek !== kek))',
      replace: 'if (false)',
    },
  ]),
  ...provenBy(KEK, 'a row that was deleted or written while it was moved is left alone', [
    {
      name: 'custody.compare',
      promise: 'a row that was written while it was moved is left alone',
      file: store,
      find: "where p.kid = n.kid and p.envelope = decode(n.before, 'hex')",
      replace: 'where p.kid = n.kid',
    },
  ]),
  ...provenBy(KEK, 'a row that does not open stays as it is, is named, and the rest moves', [
    {
      name: 'custody.not-finished',
      promise: 'a rotation is not finished while a row is under another key',
      file: rewrap,
      find: 'if (left.length === 0)',
      replace: 'if (true)',
      also: [{ file: rewrap, find: '!(await store.hasOthers(trx, choice.kek))', replace: 'true' }],
    },
  ]),
  ...provenBy(KEK, 'chosen back in the midst: rows follow the last choice, and none is left under another', [
    {
      name: 'custody.last-choice',
      promise: 'who moves rows to a key that is chosen no more stops',
      file: rewrap,
      find: 'if ((await store.shareChoice(trx))?.seq !== seq) return false;',
      replace: '',
    },
  ]),
  ...provenBy(KEK, 'one replica at a time; the lease of a dead one runs out', [
    {
      name: 'custody.lease',
      promise: 'one replica moves rows at a time',
      file: rewrap,
      find: 'if (!(await store.takeLease(db, choice.seq, worker, LEASE_SECONDS))) return;',
      replace: '',
    },
  ]),
  ...provenBy(KMS, 'wraps with its place as the encryption context, and opens there alone', [
    {
      name: 'custody.context',
      promise: 'a KMS opens a data key for its own place alone',
      file: 'src/clouds/aws-kms.ts',
      find: 'Plaintext: plaintext, EncryptionContext: { ...context }',
      replace: 'Plaintext: plaintext, EncryptionContext: { was: Object.keys(context).join() }',
      also: [
        {
          file: 'src/clouds/aws-kms.ts',
          find: 'CiphertextBlob: ciphertext, EncryptionContext: { ...context }',
          replace: 'CiphertextBlob: ciphertext, EncryptionContext: { was: Object.keys(context).join() }',
        },
      ],
    },
  ]),
  ...provenBy(KMS, 'a start says what is wrong with a key, and what to do', [
    {
      name: 'custody.unfit',
      promise: 'a KMS key of another kind stops the start',
      file: 'src/keys/keyring/kms-kek.ts',
      find: "if (usage !== 'ENCRYPT_DECRYPT' || spec !== 'SYMMETRIC_DEFAULT')",
      replace: 'if (false)',
    },
  ]),
  ...provenBy(SIGNER, 'a signature that is not of the published key never leaves', [
    {
      name: 'custody.verified',
      promise: 'what another system signed leaves only where the published key verifies it',
      file: 'src/keys/held/verified.ts',
      find: 'if (!ok)',
      replace: 'if (false)',
    },
  ]),
  ...provenBy(SIGNER, 'refused before anything changes: a region that is none, a KMS that refuses, one that lies', [
    {
      name: 'custody.tried',
      promise: 'a ring is moved only where a key was seen to be made, used and destroyed',
      file: 'src/keys/held/choose.ts',
      find: "if (wanted.signer !== 'local') await prove(",
      replace: 'if (false) await prove(',
    },
  ]),
  ...provenBy(
    SIGNER,
    'a key that KMS made and that could not be recorded is destroyed, and what failed is what is told',
    [
      {
        name: 'custody.abandoned',
        promise: 'a key that another system made and that could not be recorded is destroyed there at once',
        file: 'src/keys/held/make.ts',
        find: 'Promise.allSettled([holder.destroy(name), ',
        replace: 'Promise.allSettled([',
      },
      {
        name: 'custody.abandoned-name',
        promise: 'and as an orphan where that system does not obey',
        file: 'src/keys/held/make.ts',
        find: ', insertHeldKey(db, { name, signer, kid: name, ring })]',
        replace: ']',
      },
    ],
  ),
  ...provenBy(SIGNER, 'a key that no ring took is found and destroyed', [
    {
      name: 'custody.orphans',
      promise: 'a key made elsewhere that no ring took is destroyed',
      file: 'src/keys/held/orphans.ts',
      find: 'await holders[signer].destroy(name);',
      replace: '',
    },
  ]),
  ...provenBy(SIGNER, 'a ring moves to KMS by two rotations, and back by two; its keys there end with their time', [
    {
      name: 'custody.not-early',
      promise: 'a key elsewhere is not destroyed while its row is there',
      file: 'src/keys/held/store.ts',
      find: 'and not exists (select from private_keys p where p.kid = h.kid)',
      replace: '',
    },
  ]),
  ...provenBy(SIGNER, 'a KMS that is away holds up its own ring alone, and the ring can be taken back at once', [
    {
      name: 'custody.queue',
      promise: 'a system that is away holds up its own rings alone',
      file: 'src/keys/rotate.ts',
      find: 'if (next instanceof Problem) return await postpone(deps, ring, next);',
      replace: 'if (next instanceof Problem) throw next;',
    },
  ]),
  ...provenBy(SIGNER, 'DER is read strictly', [
    {
      name: 'custody.der-shortest',
      promise: 'one signature has one form: no padding',
      file: 'src/keys/held/der.ts',
      find: 'const isShortest = first !== 0 || second >= 0x80;',
      replace: 'const isShortest = second >= 0;',
    },
    {
      name: 'custody.der-bounds',
      promise: 'r and s are below the order, and not zero',
      file: 'src/keys/held/der.ts',
      find: 'if (value.equals(Buffer.alloc(COORDINATE)) || value.compare(ORDER) >= 0)',
      replace: 'if (ORDER.length === 0)',
    },
    {
      name: 'custody.der-end',
      promise: 'nothing comes after a signature',
      file: 'src/keys/held/der.ts',
      find: 'if (s.end !== der.length)',
      replace: 'if (false)',
    },
  ]),
  ...provenBy(KEK, 'a key that nobody was given, one that does not wrap, or none to choose from', [
    {
      name: 'custody.proved',
      promise: 'a key-encryption key is chosen only once it was seen to wrap and open',
      file: rotation,
      find: '  await prove(kek);\n',
      replace: '',
    },
  ]),
];
