// The pages of docs/workload-identity/: their commands are run against a real service, their tokens made by a stand-in, their last step reaches AWS.
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { cli } from '../cli/stand-in.ts';
import { listCodeBlocks, listCommands, readPage, ROOT } from '../docs/pages.ts';
import { connectAccount, startTestSandbox } from '../support/connect-account.ts';
import type { StandInAlgorithm } from '../support/stand-in-issuer.ts';
import { openFederation } from './world.ts';
import { type Platform, startPlatform } from './platform.ts';

const ACCOUNT = '111122223333';
const AUDIENCE = 'https://id.example.com/v1/credentials';

/** The last section of a page, in the hands of its platform; what `aws sts get-caller-identity` printed. */
type Show = (t: Test, section: string, platform: Platform) => Promise<string>;

interface Container {
  env: { name: string; value: string }[];
  volumeMounts: { mountPath: string }[];
}

const showInPod: Show = async (_t, section, { home, tokenFor, run }) => {
  const [manifest = ''] = listCodeBlocks(section, 'yaml');
  const { spec } = parse(manifest).spec.template;
  const [{ env, volumeMounts }] = spec.containers as [Container];
  const { path, audience } = spec.volumes[0].projected.sources[0].serviceAccountToken;
  // The kubelet's part.
  const mounted = join(home, 'mounted');
  mkdirSync(mounted);
  writeFileSync(join(mounted, path), await tokenFor(audience));
  const inside = (value: string): string => value.replace(volumeMounts[0]?.mountPath as string, mounted);
  const [commands = ''] = listCodeBlocks(section, 'sh');
  return await run(commands, Object.fromEntries(env.map(({ name, value }) => [name, inside(value)])));
};

const showInWorkflow: Show = async (_t, section, { home, url, run }) => {
  const [workflow = ''] = listCodeBlocks(section, 'yaml');
  const steps = parse(workflow).jobs.deploy.steps as { run: string }[];
  const file = join(home, 'github-env');
  writeFileSync(file, '');
  let said = '';
  for (const step of steps) {
    const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
    const set = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)));
    said = await run(step.run, {
      ...{ ACTIONS_ID_TOKEN_REQUEST_URL: `${url}/token?of=run`, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of-the-run' },
      ...{ RUNNER_TEMP: home, GITHUB_ENV: file, ...set },
    });
  }
  return said;
};

const showInJob: Show = async (_t, section, { tokenFor, run }) => {
  const [job = ''] = listCodeBlocks(section, 'yaml');
  const { id_tokens, variables, script } = parse(job).deploy;
  const tokens: Record<string, string> = {};
  for (const [name, { aud }] of Object.entries(id_tokens as Record<string, { aud: string }>))
    tokens[name] = await tokenFor(aud);
  return await run((script as string[]).join('\n'), { ...variables, ...tokens });
};

const showInShell: Show = (_t, section, { run }) => run(listCodeBlocks(section, 'sh').join('\n'));

const showInFunction: Show = async (t, section, { url, run }) => {
  const folder = mkdtempSync(join(ROOT, 'node_modules/.recipes-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const [code = ''] = listCodeBlocks(section, 'js');
  writeFileSync(join(folder, 'index.mjs'), `${code}\nconsole.log(JSON.stringify(await handler()));\n`);
  const role = { AWS_ACCESS_KEY_ID: 'AKIAFUNCTION', AWS_SECRET_ACCESS_KEY: 'of-the-function' };
  return await run(`'${process.execPath}' '${folder}/index.mjs'`, { ...role, AWS_ENDPOINT_URL_STS: url });
};

const PLATFORMS: Record<string, { algorithm: StandInAlgorithm; show: Show }> = {
  'ec2-instance': { algorithm: 'ES384', show: showInShell },
  'eks-pod': { algorithm: 'RS256', show: showInPod },
  'github-workflow': { algorithm: 'RS256', show: showInWorkflow },
  'gitlab-job': { algorithm: 'RS256', show: showInJob },
  lambda: { algorithm: 'ES384', show: showInFunction },
  'spire-agent': { algorithm: 'ES256', show: showInShell },
};

const wordsOf = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, text, word]) => text ?? word ?? '');

/** The claim at the top of what `--claim` names. */
function topOf(claim: string): string {
  const name = claim.slice(0, claim.indexOf('='));
  return name.startsWith('/') ? (name.split('/')[1] as string).replaceAll('~1', '/') : name;
}

t.test('there is a page for each platform, and each says what it was tried with', async (t) => {
  const pages = globSync('docs/workload-identity/*.md', { cwd: ROOT }).sort();
  t.same(
    pages.map((page) => basename(page, '.md')),
    Object.keys(PLATFORMS).sort(),
  );
  for (const page of pages) {
    const [, opening = ''] = readPage(page).split('\n\n');
    t.match(
      opening.replaceAll('\n', ' '),
      /Tried with a stand-in issuer that carries the platform's claims, not (on|with) /,
      page,
    );
  }
});

t.test('each page, from trusting the issuer to a session at AWS', async (t) => {
  const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 5 });
  const { service } = await openFederation(t, { env: { STS_ENDPOINT_URL: sandbox.url } });
  await connectAccount(service, sandbox, { account: ACCOUNT, body: { reference: 'acme-prod' } });
  const operator = { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: await service.hostToken() };
  for (const [name, { algorithm, show }] of Object.entries(PLATFORMS))
    await t.test(name, async (t) => {
      const written = readPage(`docs/workload-identity/${name}.md`);
      const [json = '{}'] = listCodeBlocks(written, 'json');
      const { iss, aud } = JSON.parse(json) as { iss: string; aud: string | string[] };
      t.same([aud].flat(), [AUDIENCE], 'its token is for the credentials endpoint');
      const platform = await startPlatform(t, sandbox, { algorithm, claims: () => JSON.parse(json) });
      const page = written
        .replaceAll('https://countersign.internal.example.com', service.url)
        .replaceAll('https://id.example.com', service.config.issuerUrl)
        .replaceAll(iss, platform.issuer.url);
      const sections = page.split(/^## /m);
      const last = sections.at(-1) as string;
      const lines = listCommands(sections.slice(1, -1).join('\n')).filter((line) => line.startsWith('countersign '));
      t.equal(lines.length, 5);
      for (const line of lines) {
        const { code, stderr, stdout } = await cli([...wordsOf(line).slice(1), '--json'], operator);
        t.equal(code, 0, `${line}: ${stderr}`);
        if (line.includes(' keys ')) t.match(JSON.parse(stdout), { kids: [platform.issuer.keys[0]?.kid] });
      }
      const words = lines.flatMap(wordsOf);
      const slug = words[words.indexOf('create', words.indexOf('workload')) + 1];

      const said = JSON.parse(await show(t, last, platform)) as object;
      t.match(said, { Account: ACCOUNT, Arn: new RegExp(`:assumed-role/countersign-[^/]+/${slug}-`) });

      const claims = words.flatMap((word, index) => (words[index - 1] === '--claim' ? [topOf(word)] : []));
      for (const left of ['sub', ...claims]) {
        const { iss: _, ...own } = JSON.parse(json);
        const token = await platform.issuer.sign({
          ...own,
          aud: `${service.config.issuerUrl}/v1/credentials`,
          [left]: 'other',
        });
        const answer = await service.call('GET', '/v1/connections/acme-prod/credentials', undefined, { token });
        t.match(answer, { status: 401, body: { code: 'invalid_token' } }, `with another ${left}`);
      }
    });
});
