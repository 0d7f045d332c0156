// What CloudFormation takes in a call: capabilities, parameters, templates, tokens; and its smaller operations.
import * as cfnApi from '@aws-sdk/client-cloudformation';
import { createServer } from 'node:http';
import t from 'tap';
import type { Values } from './stack-world.ts';
import { stackWorld } from './stack-world.ts';
import { refusal } from './world.ts';

t.test('a named role needs CAPABILITY_NAMED_IAM', async (t) => {
  const { create } = await stackWorld(t);
  for (const Capabilities of [[], ['CAPABILITY_IAM']] as cfnApi.Capability[][]) {
    t.same(await refusal(create({}, { Capabilities })), {
      code: 'InsufficientCapabilitiesException',
      status: 400,
      message: 'Requires capabilities : [CAPABILITY_NAMED_IAM]',
    });
  }
});

t.test('parameters are held to their declarations', async (t) => {
  const { create, cfn, body } = await stackWorld(t);
  const refused = async (values: Values) => (await refusal(create(values))).message;
  t.equal(await refused({ IssuerId: 'x' }), 'Parameter IssuerId failed to satisfy constraint: must be an issuer id');
  t.equal(await refused({ ConnectionId: 'xcn_abc' }), "Parameter 'ConnectionId' must match pattern ^cn_[a-z2-7]+$");
  t.equal(await refused({ ConnectionId: 'cn_abc\n' }), "Parameter 'ConnectionId' must match pattern ^cn_[a-z2-7]+$");
  t.equal(await refused({ PermissionSet: 'all' }), "Parameter 'PermissionSet' must be one of AllowedValues");
  t.equal(await refused({ RoleName: 'a'.repeat(65) }), "Parameter 'RoleName' must contain at most 64 characters");
  t.equal(await refused({ Extra: 'x' }), 'Parameters: [Extra] do not exist in the template');
  const bare = new cfnApi.CreateStackCommand({
    StackName: 'cs',
    TemplateBody: body,
    Capabilities: ['CAPABILITY_NAMED_IAM'],
  });
  t.same(await refusal(cfn.send(bare)), {
    code: 'ValidationError',
    status: 400,
    message: 'Parameters: [IssuerId, ConnectionId] must have values',
  });
});

t.test('a template comes in the call, up to 51 200 bytes, or from a URL', { timeout: 60_000 }, async (t) => {
  const { create, own, body } = await stackWorld(t);
  const padded = (length: number) => `${body}\n#${'x'.repeat(length - body.length - 2)}`;
  t.match(await refusal(create({}, { TemplateBody: padded(51201) })), {
    code: 'ValidationError',
    message: /'templateBody'.*less than or equal to 51200/,
  });
  t.match(await refusal(create({}, { TemplateBody: undefined })), {
    code: 'ValidationError',
    message: 'Either Template URL or Template Body must be specified.',
  });
  for (const TemplateURL of ['https://bucket.example.com/t.yaml', 'file:///etc/passwd', 'nowhere']) {
    t.match(
      await refusal(create({}, { TemplateBody: undefined, TemplateURL })),
      { code: 'ValidationError', message: 'TemplateURL must be a supported URL.' },
      TemplateURL,
    );
  }
  const server = createServer((request, response) => {
    const size = Number(request.url?.slice(1));
    if (Number.isNaN(size)) {
      response.writeHead(200, { 'content-length': 1000 }).write(body.slice(0, 500), () => response.destroy());
      return;
    }
    response.writeHead(size > 0 ? 200 : 404).end(size > 0 ? padded(size) : '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as { port: number };
  const at = (size: number | string) =>
    create({}, { TemplateBody: undefined, TemplateURL: `http://127.0.0.1:${port}/${size}` });
  t.match(await refusal(at(1024 * 1024 + 1)), { code: 'ValidationError', message: /^Template may not exceed/ });
  t.match(await refusal(at(0)), { code: 'ValidationError', message: /^S3 error/ });
  t.match(
    await refusal(at('closed')),
    { code: 'ValidationError', message: 'S3 error: The specified template could not be read.' },
    'closed within the body',
  );
  t.match(await at(1024 * 1024), { StackId: /stack\/cs/ }, 'a mebibyte from there');
  t.ok(own.url);
});

t.test('dynamic references are refused at once: there is nothing to put in their place', async (t) => {
  const { create, stack, body } = await stackWorld(t);
  const refused = {
    code: 'ValidationError',
    status: 400,
    message: /^The sandbox has no secrets and no SSM parameters: it cannot resolve \{\{resolve:ssm:…\}\}/,
  };
  const description = (value: string) =>
    body.replace('MaxSessionDuration: 3600', `MaxSessionDuration: 3600\n      Description: ${value}`);
  for (const value of ["'{{resolve:ssm:/a:1}}'", "!Join ['', ['{{resolve:ssm:/', !Ref RoleName, ':1}}']]"])
    t.match(await refusal(create({}, { TemplateBody: description(value) })), refused, value);
  t.match(await refusal(create({ RoleName: '{{resolve:ssm:/a:1}}' })), refused, 'as a parameter');
  t.match(await refusal(stack()), { message: 'Stack with id cs does not exist' });
  t.match(await create({}, { TemplateBody: description("'{{x}} resolve:ssm'") }), { StackId: /stack\/cs/ });
});

t.test('what nothing declares is refused at once, in a branch not taken and in Outputs too', async (t) => {
  const { create, stack, cfn, body } = await stackWorld(t);
  const property = (value: string) => body.replace('MaxSessionDuration: 3600', `MaxSessionDuration: ${value}`);
  const output = (value: string) => `${body}  Extra: ${value}\n`;
  const dangling = (name: string, block: string) =>
    `Template format error: Unresolved resource dependencies [${name}] in the ${block} block of the template`;
  const condition = 'Template error: unresolved condition dependency None';
  const refused: [string, string][] = [
    [property('!If [Core, !Ref None, 3600]'), dangling('None', 'Resources')],
    [property('!If [Core, !GetAtt ConnectionId.Arn, 3600]'), dangling('ConnectionId', 'Resources')],
    [property('!If [Core, !Sub "${AWS::None}${RoleName}", 3600]'), dangling('AWS::None', 'Resources')],
    [property('!If [Core, !If [None, 1, 2], 3600]'), condition],
    [body.replace('Condition: S3', 'Condition: None'), condition],
    [body.replace('Condition: S3', 'DependsOn: None'), dangling('None', 'Resources')],
    [body.replace('[!Condition Core, ', '[!Condition None, '), condition],
    [body.replace('!Ref AddS3', '!Ref Role'), dangling('Role', 'Conditions')],
    [output('{Value: !Ref None}'), dangling('None', 'Outputs')],
    [output('{Value: x, Condition: None}'), condition],
    [output('{Value: x, Export: {Name: !Sub "${None.Arn}"}}'), dangling('None', 'Outputs')],
  ];
  for (const [TemplateBody, message] of refused) {
    const expected = { code: 'ValidationError', status: 400, message };
    t.same(await refusal(create({}, { TemplateBody })), expected, message);
    t.same(await refusal(cfn.send(new cfnApi.ValidateTemplateCommand({ TemplateBody }))), expected, 'and validated');
  }
  const absent = output('{Value: !Ref CorePolicy}');
  t.match(await refusal(create({}, { TemplateBody: absent })), { message: dangling('CorePolicy', 'Outputs') });
  t.ok(await cfn.send(new cfnApi.ValidateTemplateCommand({ TemplateBody: absent })), 'which depends on parameters');
  t.match(await refusal(stack()), { message: 'Stack with id cs does not exist' });
  t.match(await create({ PermissionSet: 'core' }, { TemplateBody: absent }), { StackId: /stack\/cs/ });
});

t.test('a client request token makes a repeat harmless', async (t) => {
  const { create } = await stackWorld(t);
  const first = await create({}, { ClientRequestToken: 'one' });
  t.equal((await create({}, { ClientRequestToken: 'one' })).StackId, first.StackId);
  t.match(await refusal(create({}, { ClientRequestToken: 'two' })), { code: 'AlreadyExistsException' });
});

t.test('termination protection, GetTemplate, ValidateTemplate, ListStacks', async (t) => {
  const { create, cfn, body } = await stackWorld(t);
  await create({}, { EnableTerminationProtection: true });
  t.match(await refusal(cfn.send(new cfnApi.DeleteStackCommand({ StackName: 'cs' }))), {
    code: 'ValidationError',
    message: /TerminationProtection is enabled$/,
  });
  t.equal((await cfn.send(new cfnApi.GetTemplateCommand({ StackName: 'cs' }))).TemplateBody, body);
  const valid = await cfn.send(new cfnApi.ValidateTemplateCommand({ TemplateBody: body }));
  t.match(valid, { Capabilities: ['CAPABILITY_NAMED_IAM'], Parameters: [{ ParameterKey: 'IssuerId', NoEcho: false }] });
  t.match((await cfn.send(new cfnApi.ListStacksCommand({ StackStatusFilter: ['CREATE_COMPLETE'] }))).StackSummaries, [
    { StackName: 'cs' },
  ]);
  t.match(await refusal(cfn.send(new cfnApi.DescribeStackEventsCommand({ StackName: 'none' }))), {
    code: 'ValidationError',
    message: 'Stack [none] does not exist',
  });
});
