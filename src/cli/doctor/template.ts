// The published template: where AWS opens it, reachable as AWS reaches it, and the one of this version.
import { isS3Host } from '../../clouds/aws-regions.ts';
import type { Api } from '../api.ts';
import { createAsk, type Ask } from '../../reach/stranger.ts';
import { LOOPBACK } from '../http.ts';
import { type Check, type Finding, ok } from './findings.ts';

export function checkTemplate(templateUrl: string, api: Api | undefined, ask: Ask = createAsk()): Check {
  const fault = (severity: Finding['severity'], detail: string, hint: string): Finding[] => [
    { code: 'template', severity, subject: templateUrl, detail, hint },
  ];
  return {
    code: 'template',
    look: async () => {
      const url = new URL(templateUrl);
      // On loopback the sandbox reads it in the place of AWS.
      if (!isS3Host(url.hostname) && !LOOPBACK.test(url.hostname))
        return fault(
          'failure',
          'The published template is not at a URL of S3, and AWS opens no quick-create link for another.',
          "Set TEMPLATE_URL to the object's own URL, such as https://<bucket>.s3.<region>.amazonaws.com/countersign.yaml, not to that of a CDN or a website before it.",
        );
      const { status, body } = await ask(url);
      if (status !== 200 || body === undefined)
        return fault(
          'failure',
          `The published template answers ${status}, not 200: no customer can open a link.`,
          'Publish it there, readable by everybody: `countersign connection template --out countersign.yaml`.',
        );
      if (!api) return [ok('template', 'The published template can be read.', templateUrl)];
      const ours = await Promise.all(['yaml', 'json'].map((format) => api.getText('/v1/template', { format })));
      if (ours.some((text) => text.trim() === body.trim()))
        return [ok('template', 'The published template is the one of this version.', templateUrl)];
      return fault(
        'warning',
        'The published template is not the one of this version.',
        'Publish it again: `countersign connection template --out countersign.yaml`. Stacks that stand are not changed by that.',
      );
    },
  };
}
