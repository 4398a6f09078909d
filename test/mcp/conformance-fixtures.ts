// The tools, prompts and resources that the conformance suite calls by name. They exist only in its test server: the
// suite checks how a server speaks the protocol, and ours has no reason to return audio or to ask for a favourite color.
import {
  acceptedContent,
  createRequestStateCodec,
  fromJsonSchema,
  inputRequired,
  inputResponse,
  ResourceTemplate,
  type CallToolResult,
  type InputRequests,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { registerElicitationFixtures } from './conformance-elicitation.js';

export const PIXEL_PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';
/** A RIFF header with no samples. */
const SILENCE_WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=';

export const stateCodec = createRequestStateCodec<Record<string, unknown>>({
  key: 'conformance-fixture-key-of-32-bytes!',
});

/** Keywords that must reach the client as they are (SEP-1613, SEP-2106). */
const JSON_SCHEMA_2020_12 = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
};

const text = (value: string) => ({ type: 'text' as const, text: value });
const said = (value: string): CallToolResult => ({ content: [text(value)] });
const image = { type: 'image' as const, data: PIXEL_PNG, mimeType: 'image/png' };

export function registerFixtures(server: McpServer, era: 'legacy' | 'modern'): void {
  registerContent(server);
  registerStreams(server);
  registerResources(server);
  registerPrompts(server);
  if (era === 'legacy') registerElicitationFixtures(server);
  else registerInputRequired(server);
}

function registerContent(server: McpServer): void {
  const tool = (name: string, content: CallToolResult['content']) =>
    server.registerTool(
      name,
      { description: `Conformance fixture ${name}.`, inputSchema: z.object({}) },
      () => ({ content }),
    );
  tool('test_simple_text', [text('This is a simple text response for testing.')]);
  tool('test_image_content', [image]);
  tool('test_audio_content', [{ type: 'audio', data: SILENCE_WAV, mimeType: 'audio/wav' }]);
  tool('test_embedded_resource', [
    {
      type: 'resource',
      resource: {
        uri: 'test://embedded-resource',
        mimeType: 'text/plain',
        text: 'This is an embedded resource content.',
      },
    },
  ]);
  tool('test_multiple_content_types', [
    text('Multiple content types test:'),
    image,
    {
      type: 'resource',
      resource: {
        uri: 'test://mixed-content-resource',
        mimeType: 'application/json',
        text: '{"test":"data","value":123}',
      },
    },
  ]);
  const schema = fromJsonSchema<{ region?: string }>(JSON_SCHEMA_2020_12);
  server.registerTool(
    'json_schema_2020_12_tool',
    { description: 'Tool with JSON Schema 2020-12 features', inputSchema: schema },
    () => said('ok'),
  );
  const property: Record<string, unknown> = { type: 'string', 'x-mcp-header': 'Region' };
  const mirrored = fromJsonSchema<{ region?: string }>({ type: 'object', properties: { region: property } });
  server.registerTool(
    'test_custom_header',
    { description: 'Mirrors an argument into a header.', inputSchema: mirrored },
    ({ region }) => said(`region ${region}`),
  );
  server.registerTool(
    'test_error_handling',
    { description: 'Always fails.', inputSchema: z.object({}) },
    () => {
      throw new Error('This tool intentionally returns an error for testing');
    },
  );
}

function registerStreams(server: McpServer): void {
  const empty = z.object({});
  server.registerTool(
    'test_tool_with_logging',
    { description: 'Logs three times.', inputSchema: empty },
    async (_, { mcpReq }) => {
      for (const message of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
        await mcpReq.log('info', message);
        await sleep(50);
      }
      return said('done');
    },
  );
  server.registerTool(
    'test_logging_tool',
    { description: 'Logs once.', inputSchema: empty },
    async (_, { mcpReq }) => {
      await mcpReq.log('info', 'not asked for');
      return said('done');
    },
  );
  server.registerTool(
    'test_tool_with_progress',
    { description: 'Reports progress.', inputSchema: empty },
    async (_, { mcpReq }) => {
      const progressToken = mcpReq._meta?.progressToken;
      for (const progress of [0, 50, 100]) {
        if (progressToken !== undefined)
          await mcpReq.notify({
            method: 'notifications/progress',
            params: { progressToken, progress, total: 100 },
          });
        await sleep(50);
      }
      return said('done');
    },
  );
}

function registerResources(server: McpServer): void {
  const fixture = { description: 'Conformance fixture.' };
  server.registerResource(
    'static-text',
    'test://static-text',
    { ...fixture, mimeType: 'text/plain' },
    ({ href: uri }) => ({
      contents: [{ uri, mimeType: 'text/plain', text: 'This is the content of the static text resource.' }],
    }),
  );
  server.registerResource(
    'static-binary',
    'test://static-binary',
    { ...fixture, mimeType: 'image/png' },
    ({ href: uri }) => ({
      contents: [{ uri, mimeType: 'image/png', blob: PIXEL_PNG }],
    }),
  );
  const template = new ResourceTemplate('test://template/{id}/data', { list: undefined });
  server.registerResource(
    'template',
    template,
    { ...fixture, mimeType: 'application/json' },
    ({ href: uri }, { id }) => ({
      contents: [
        {
          uri,
          mimeType: 'application/json',
          text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }),
        },
      ],
    }),
  );
}

function registerPrompts(server: McpServer): void {
  const user = <T>(content: T) => ({ role: 'user' as const, content });
  server.registerPrompt('test_simple_prompt', { description: 'No arguments.' }, () => ({
    messages: [user(text('This is a simple prompt for testing.'))],
  }));
  server.registerPrompt(
    'test_prompt_with_arguments',
    { description: 'Two arguments.', argsSchema: z.object({ arg1: z.string(), arg2: z.string() }) },
    ({ arg1, arg2 }) => ({ messages: [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))] }),
  );
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description: 'Embeds a resource.', argsSchema: z.object({ resourceUri: z.string() }) },
    ({ resourceUri: uri }) => ({
      messages: [
        user({
          type: 'resource' as const,
          resource: { uri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' },
        }),
        user(text('Please process the embedded resource above.')),
      ],
    }),
  );
  server.registerPrompt('test_prompt_with_image', { description: 'Holds an image.' }, () => ({
    messages: [user(image), user(text('Please analyze the image above.'))],
  }));
}

const ask = (message: string, schema: z.ZodObject) =>
  inputRequired.elicit({ message, requestedSchema: schema });
const nameSchema = z.object({ name: z.string() });
const sample = (question: string, maxTokens: number) =>
  inputRequired.createMessage({ messages: [{ role: 'user', content: text(question) }], maxTokens });

/** 2026-07-28 servers ask their client by returning an input-required result. */
function registerInputRequired(server: McpServer): void {
  const tool = (
    name: string,
    run: (
      context: ServerContext,
    ) =>
      | CallToolResult
      | ReturnType<typeof inputRequired>
      | Promise<CallToolResult | ReturnType<typeof inputRequired>>,
  ) =>
    server.registerTool(
      `test_input_required_result_${name}`,
      { description: 'Conformance fixture.', inputSchema: z.object({}) },
      (_, context) => run(context),
    );

  tool('elicitation', ({ mcpReq }) => {
    const given = acceptedContent(mcpReq.inputResponses, 'user_name', nameSchema);
    return given
      ? said(`Hello, ${given.name}!`)
      : inputRequired({ inputRequests: { user_name: ask('What is your name?', nameSchema) } });
  });
  tool('sampling', ({ mcpReq }) => {
    const given = inputResponse(mcpReq.inputResponses, 'capital_question');
    if (given.kind === 'sampling') return said(JSON.stringify(given.result.content));
    return inputRequired({
      inputRequests: { capital_question: sample('What is the capital of France?', 100) },
    });
  });
  tool('list_roots', ({ mcpReq }) => {
    const given = inputResponse(mcpReq.inputResponses, 'client_roots');
    if (given.kind === 'roots') return said(JSON.stringify(given.roots));
    return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
  });
  for (const name of ['request_state', 'tampered_state']) {
    tool(name, async ({ mcpReq }) => {
      const state = mcpReq.requestState<{ confirmed: boolean }>();
      if (state && mcpReq.inputResponses) return said('state-ok');
      const confirm = ask('Please confirm', z.object({ ok: z.boolean() }));
      return inputRequired({
        inputRequests: { confirm },
        requestState: await stateCodec.mint({ confirmed: false }),
      });
    });
  }
  tool('multiple_inputs', async ({ mcpReq }) => {
    if (mcpReq.inputResponses && mcpReq.requestState())
      return said(`Got ${Object.keys(mcpReq.inputResponses).join(', ')}`);
    return inputRequired({
      inputRequests: {
        user_name: ask('What is your name?', nameSchema),
        greeting: sample('Generate a greeting', 50),
        client_roots: inputRequired.listRoots(),
      },
      requestState: await stateCodec.mint({ round: 1 }),
    });
  });
  tool('multi_round', async ({ mcpReq }) => {
    const round = mcpReq.requestState<{ round: number }>()?.round ?? 0;
    if (round === 2) return said('Thank you.');
    const request: InputRequests =
      round === 0
        ? { step1: ask('Step 1: What is your name?', nameSchema) }
        : { step2: ask('Step 2: What is your favorite color?', z.object({ color: z.string() })) };
    return inputRequired({
      inputRequests: request,
      requestState: await stateCodec.mint({ round: round + 1 }),
    });
  });
  tool('capabilities', ({ mcpReq }) => {
    const declared = Object.values(mcpReq.envelope ?? {}).find(
      (value) =>
        typeof value === 'object' && value !== null && ('sampling' in value || 'elicitation' in value),
    );
    if (declared && 'elicitation' in declared)
      return inputRequired({ inputRequests: { user_name: ask('What is your name?', nameSchema) } });
    if (declared && 'sampling' in declared)
      return inputRequired({ inputRequests: { greeting: sample('Generate a greeting', 50) } });
    return said('The client can be asked nothing.');
  });
  const asks = {
    test_missing_capability: { greeting: sample('Generate a greeting', 50) },
    test_streaming_elicitation: { user_name: ask('What is your name?', nameSchema) },
  };
  for (const [name, inputRequests] of Object.entries<InputRequests>(asks)) {
    server.registerTool(name, { description: 'Asks its client.', inputSchema: z.object({}) }, () =>
      inputRequired({ inputRequests }),
    );
  }
  server.registerPrompt(
    'test_input_required_result_prompt',
    { description: 'Asks for its context.' },
    ({ mcpReq }) => {
      const given = acceptedContent(mcpReq.inputResponses, 'user_context', z.object({ context: z.string() }));
      if (given) return { messages: [{ role: 'user', content: text(`Context: ${given.context}`) }] };
      return inputRequired({
        inputRequests: {
          user_context: ask('What context should the prompt use?', z.object({ context: z.string() })),
        },
      });
    },
  );
}
