// The doctor on the published template: AWS opens a quick-create link for an object of S3 alone.
import t from 'tap';
import { checkTemplate } from '../../src/cli/doctor/template.ts';
import type { Answer } from '../../src/reach/stranger.ts';

const look = async (url: string) => {
  const asked: string[] = [];
  const ask = async ({ href }: URL) => {
    asked.push(href);
    return { status: 200, body: 'template' } as Answer;
  };
  const [found] = await checkTemplate(url, undefined, ask).look();
  return { ...found, asked };
};

t.test('an object of S3, however its host is written', async (t) => {
  for (const host of [
    'b.s3.eu-central-1.amazonaws.com',
    'b.s3.amazonaws.com',
    'with.dots.s3.us-gov-west-1.amazonaws.com',
    'b.s3-eu-west-1.amazonaws.com',
    'b.s3.dualstack.us-east-1.amazonaws.com',
    's3.amazonaws.com/b',
    's3.ap-southeast-2.amazonaws.com/b',
    's3-us-west-2.amazonaws.com/b',
    'b.s3.cn-north-1.amazonaws.com.cn',
    's3.cn-northwest-1.amazonaws.com.cn/b',
    'b.s3.eusc-de-east-1.amazonaws.eu',
    '127.0.0.1:4566',
  ]) {
    const url = `https://${host}/countersign.yaml`;
    t.match(await look(url), { severity: 'ok', asked: [url] }, host);
  }
});

t.test('what only looks like one is a failure, whatever it answers', async (t) => {
  for (const host of [
    'cdn.example.com',
    'd111111abcdef8.cloudfront.net',
    'b.s3-website-eu-west-1.amazonaws.com',
    'b.s3-website.eu-central-1.amazonaws.com',
    'b.s3.eu-west-1.amazonaws.com.example.com',
    'b-s3.eu-west-1.amazonaws.com',
    's3.eu-west-1.elb.amazonaws.com',
    's3amazonaws.com',
    'amazonaws.com',
  ]) {
    const found = await look(`https://${host}/countersign.yaml`);
    t.match(found, { code: 'template', severity: 'failure', hint: /TEMPLATE_URL .* own URL/ }, host);
    t.same(found.asked, [], `${host} is not asked`);
  }
});
