// What reaches a person of a refusal, through the clients that AWS and we give them.
import { type Defence, provenBy } from './defence.ts';

export const refusals: Defence[] = [
  ...provenBy('test/agent/refusals.test.ts', 'each refusal, by each client', [
    {
      name: 'refusals.aws-request',
      promise: "where AWS refused, AWS's own request id is in what SDKs show",
      file: 'src/http/problems.ts',
      find: "typeof sts_request_id === 'string' ? `${request_id}, AWS request ${sts_request_id}` : request_id",
      replace: 'request_id',
    },
    {
      name: 'refusals.retry-after',
      promise: 'a refusal that passes says when to ask again',
      file: 'src/http/problems.ts',
      find: "reply.header('retry-after', String(problem.options.retryAfter))",
      replace: 'reply.header',
    },
    {
      name: 'refusals.what-to-do',
      promise: 'what to do is in what SDKs show',
      file: 'src/http/problems.ts',
      find: 'return [detail, hint, `(request ${request})`]',
      replace: 'return [detail, `(request ${request})`]',
    },
  ]),
  ...provenBy(
    'test/agent/server.test.ts',
    "a refusal keeps the service's code, status, hint, request id and Retry-After",
    [
      {
        name: 'refusals.agent',
        promise: "the agent passes AWS's request id on",
        file: 'src/agent/refusal.ts',
        find: '...(stsRequestId === undefined ? {} : { sts_request_id: stsRequestId }),',
        replace: '',
      },
    ],
  ),
  ...provenBy('test/agent/server.test.ts', 'every 503 and 429 says when to ask again, whoever it is of', [
    {
      name: 'refusals.agent-retry-after',
      promise: "the agent's own refusals that pass say when to ask again, too",
      file: 'src/agent/refusal.ts',
      find: 'this.status === 503 || this.status === 429 ? 1 : undefined',
      replace: 'undefined',
    },
  ]),
];
