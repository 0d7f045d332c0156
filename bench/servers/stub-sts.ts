// An STS that gives what it is asked for, whatever it is shown, after LATENCY_MS, and counts calls and its own time (GET /spent).
// It denies sessions of DENIED_SECONDS.
import { createServer } from 'node:http';

const { PORT, LATENCY_MS = '0', DENIED_SECONDS } = process.env;
const latency = Number(LATENCY_MS);
let [calls, milliseconds] = [0, 0];

const DENIED = `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error>
  <RequestId>00000000-0000-4000-8000-000000000000</RequestId>
</ErrorResponse>`;

/** The role and session that were asked for, of the unique id that seeded connections are pinned to. */
function answerTo(form: URLSearchParams): string {
  const [, , , , account = '', role = ''] = (form.get('RoleArn') ?? '').split(':');
  const session = form.get('RoleSessionName');
  const seconds = Number(form.get('DurationSeconds') ?? 3600);
  return `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <AssumedRoleUser>
      <Arn>arn:aws:sts::${account}:assumed-role/${role.slice('role/'.length)}/${session}</Arn>
      <AssumedRoleId>AROAEXAMPLEEXAMPLEEXA:${session}</AssumedRoleId>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>ASIAEXAMPLEEXAMPLEEX</AccessKeyId>
      <SecretAccessKey>${'s'.repeat(40)}</SecretAccessKey>
      <SessionToken>${'t'.repeat(900)}</SessionToken>
      <Expiration>${new Date(Date.now() + seconds * 1000).toISOString()}</Expiration>
    </Credentials>
    <PackedPolicySize>25</PackedPolicySize>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>`;
}

const server = createServer((request, response) => {
  if (request.url === '/spent') {
    const body = JSON.stringify({ calls, milliseconds });
    response.writeHead(200, { 'content-length': Buffer.byteLength(body) }).end(body);
    return;
  }
  const started = performance.now();
  const chunks: Buffer[] = [];
  const send = (): void => {
    const form = new URLSearchParams(Buffer.concat(chunks).toString());
    const isDenied = form.get('DurationSeconds') === DENIED_SECONDS;
    const answer = isDenied ? DENIED : answerTo(form);
    response.writeHead(isDenied ? 403 : 200, {
      'content-type': 'text/xml',
      'content-length': Buffer.byteLength(answer),
    });
    response.end(answer, () => {
      calls += 1;
      milliseconds += performance.now() - started;
    });
  };
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => (latency > 0 ? setTimeout(send, latency) : send()));
});
server.listen(Number(PORT), '127.0.0.1', () => process.stdout.write('listening\n'));
process.on('SIGTERM', () => process.exit(0));
