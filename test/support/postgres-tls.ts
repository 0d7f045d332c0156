// TLS for a cluster of the tests: a certificate for 127.0.0.1 by an authority made for it.
import { chownSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:net';
import pg from 'pg';
import { makeCertificate } from './certificates.ts';
import type { Cluster } from './postgres.ts';

/** Whether the server answers SSLRequest with yes. */
async function speaksTls(cluster: Cluster): Promise<boolean> {
  const { hostname, port } = new URL(cluster.url);
  const socket = connect(Number(port), hostname);
  socket.write(Buffer.from('0000000804d2162f', 'hex'));
  const answer = await new Promise<Buffer>((resolve, reject) => socket.once('data', resolve).once('error', reject));
  socket.destroy();
  return answer.toString() === 'S';
}

/** @returns the file of roots, in the cluster's folder. */
export async function enableTls(cluster: Cluster): Promise<string> {
  const authority = makeCertificate({ commonName: 'the authority' });
  const { cert, key } = makeCertificate({ commonName: 'a server', names: ['127.0.0.1'], issuer: authority });
  const owner = statSync(join(cluster.dir, 'password'));
  const write = (name: string, text: string): string => {
    const file = join(cluster.dir, name);
    writeFileSync(file, text, { mode: 0o600 });
    chownSync(file, owner.uid, owner.gid);
    return file;
  };
  const client = new pg.Client({ connectionString: cluster.url });
  await client.connect();
  await client.query(`alter system set ssl_cert_file = '${write('server.crt', cert)}'`);
  await client.query(`alter system set ssl_key_file = '${write('server.key', key)}'`);
  await client.query('alter system set ssl = on');
  await client.query('select pg_reload_conf()');
  await client.end();
  // The postmaster reads its configuration when the signal has reached it.
  for (const end = Date.now() + 60_000; !(await speaksTls(cluster)); )
    if (Date.now() > end) throw new Error('the server does not speak TLS');
  return write('roots.pem', authority.cert);
}
