// An STS that answers at once, whatever it is shown, and counts how long that took it (GET /spent).
import { createServer } from 'node:http';

const { PORT } = process.env;
let [calls, milliseconds] = [0, 0];

const expiration = new Date(Date.now() + 3_600_000).toISOString();
const answer = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <AssumedRoleUser>
      <Arn>arn:aws:sts::123456789012:assumed-role/bench/bench</Arn>
      <AssumedRoleId>AROAEXAMPLEEXAMPLEEXA:bench</AssumedRoleId>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>ASIAEXAMPLEEXAMPLEEX</AccessKeyId>
      <SecretAccessKey>${'s'.repeat(40)}</SecretAccessKey>
      <SessionToken>${'t'.repeat(900)}</SessionToken>
      <Expiration>${expiration}</Expiration>
    </Credentials>
    <PackedPolicySize>25</PackedPolicySize>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>`;
const headers = { 'content-type': 'text/xml', 'content-length': Buffer.byteLength(answer) };

const server = createServer((request, response) => {
  if (request.url === '/spent') {
    const body = JSON.stringify({ calls, milliseconds });
    response.writeHead(200, { 'content-length': Buffer.byteLength(body) }).end(body);
    return;
  }
  const started = performance.now();
  request.resume().on('end', () => {
    response.writeHead(200, headers).end(answer, () => {
      calls += 1;
      milliseconds += performance.now() - started;
    });
  });
});
server.listen(Number(PORT), '127.0.0.1', () => process.stdout.write('listening\n'));
process.on('SIGTERM', () => process.exit(0));
