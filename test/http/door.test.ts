// Chat completions as this server speaks them: what comes back, what is refused by name, who may ask.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Json } from '../mcp/clients.js';
import type { Session } from '../../src/engine/engine.js';
import type { Message } from '../../src/prompt/message.js';
import { ScriptedEngine } from '../mcp/scripted-engine.js';
import { draw, pictureFolder } from '../mcp/pictures.js';
import { imagesFirst } from '../../src/http/chat-messages.js';
import { door, events, TOKEN, type OpenDoor } from './doors.js';

const folder = pictureFolder();
const file = `${folder}/red.png`;
const engine = new ScriptedEngine();
let opened: OpenDoor;
let data: string;

before(async () => {
  await draw(file, '#ffffff', [{ x: 40, y: 60, width: 60, height: 24, color: '#cc0000' }]);
  data = `data:image/png;base64,${readFileSync(file).toString('base64')}`;
  opened = await door(engine, { allow: [folder] });
});
after(() => opened?.close());

const see = (url: string) => ({ type: 'image_url', image_url: { url } });
const say = (text: string) => ({ type: 'text', text });
const user = (...content: object[]) => ({ role: 'user', content });

async function ask(messages: unknown, more: object = {}): Promise<Json> {
  const response = await opened.post('/v1/chat/completions', { model: 'scripted', messages, ...more });
  return { status: response.status, headers: response.headers, ...((await response.json()) as object) };
}

test('answers with usage, and a second question about an image reports cached tokens', async () => {
  const first = await ask([user(say('What is this?'), see(data))]);
  assert.equal(first.status, 200);
  assert.equal(first.object, 'chat.completion');
  assert.match(first.id, /^chatcmpl-[0-9a-f]{32}$/);
  assert.equal(first.model, 'scripted');
  const [choice] = first.choices;
  assert.match(choice.message.content, /What is this\?/);
  assert.equal(choice.finish_reason, 'stop');
  assert.deepEqual(first.usage.prompt_tokens_details, { cached_tokens: 0, image_tokens: 64 });
  const second = await ask([user(see(file), say('And the color?'))]);
  assert.deepEqual(second.usage.prompt_tokens_details, { cached_tokens: 64, image_tokens: 64 });
  assert.equal(second.usage.total_tokens, second.usage.prompt_tokens + second.usage.completion_tokens);
});

test('an image is named by data URI, path, file:// URL, bare string and image_id', async () => {
  const { imageId } = opened.app.images.store.list().at(-1) ?? { imageId: '' };
  for (const url of [data, file, `file://${file}`, imageId])
    assert.equal((await ask([user(see(url), say('x'))])).status, 200, url.slice(0, 40));
  assert.equal((await ask([user({ type: 'image_url', image_url: data }, say('x'))])).status, 200);
});

test('streams chunks that add up to the answer, with usage where it is wanted', async () => {
  const body = { messages: [user(say('count to 5'))], stream: true, stream_options: { include_usage: true } };
  const response = await opened.post('/v1/chat/completions', body);
  assert.match(response.headers.get('content-type')!, /^text\/event-stream/);
  const all = (await events(response)) as Json[];
  assert.equal(all.pop(), '[DONE]');
  const usage = all.pop();
  assert.deepEqual(usage.choices, []);
  assert.equal(usage.usage.prompt_tokens, 16);
  assert.equal(all[0].choices[0].delta.role, 'assistant');
  assert.equal(all.map(({ choices }) => choices[0].delta.content ?? '').join(''), '1 2 3 4 5');
  assert.deepEqual(all.map(({ choices }) => choices[0].finish_reason).filter(Boolean), ['stop']);
  assert.equal(new Set(all.map(({ id }) => id)).size, 1);
  assert.ok(
    all.every((event) => !('afterimage' in event)),
    'what only peers understand is for peers',
  );
});

test('max_tokens and max_completion_tokens cut, and say so', async () => {
  for (const limit of ['max_tokens', 'max_completion_tokens']) {
    const { choices } = await ask([user(say('count to 9'))], { [limit]: 3 });
    assert.deepEqual([choices[0].message.content, choices[0].finish_reason], ['1 2 3', 'length']);
  }
});

test('system text, earlier turns and text parts reach the engine', async () => {
  const { choices } = await ask([
    { role: 'system', content: 'Be brief.' },
    { role: 'developer', content: [say('Be exact.')] },
    { role: 'user', content: 'One' },
    { role: 'assistant', content: 'Two' },
    { role: 'user', content: 'Three' },
  ]);
  assert.match(choices[0].message.content, /Three \(after 1 answers\)/);
});

const refusals: [what: string, body: object, param: string | null, code: string, said: RegExp][] = [
  ['no messages', { messages: [] }, 'messages', 'INVALID_ARGUMENT', /messages/],
  ['a body of another kind', { messages: 'hi' }, 'messages', 'INVALID_ARGUMENT', /messages/],
  ['tools', { tools: [{}] }, 'tools', 'INVALID_ARGUMENT', /tools is not supported/],
  [
    'a schema that is none',
    { response_format: { type: 'json_schema', json_schema: {} } },
    'response_format.json_schema.schema',
    'INVALID_ARGUMENT',
    /response_format/,
  ],
  [
    'a form of the answer that is not known',
    { response_format: { type: 'grammar' } },
    'response_format.type',
    'INVALID_ARGUMENT',
    /response_format/,
  ],
  [
    'a schema that cannot be held to',
    { response_format: { type: 'json_schema', json_schema: { schema: { if: {} } } } },
    null,
    'SCHEMA_UNSUPPORTED',
    /if is not supported/,
  ],
  [
    'a stop string in a schema',
    { response_format: { type: 'json_object' }, stop: '}' },
    'stop',
    'INVALID_ARGUMENT',
    /response_format/,
  ],
  ['several answers', { n: 2 }, 'n', 'INVALID_ARGUMENT', /n is not supported/],
  ['a hot temperature', { temperature: 3 }, 'temperature', 'INVALID_ARGUMENT', /temperature/],
  [
    'top_logprobs',
    { logprobs: true, max_tokens: 4, top_logprobs: 2 },
    'top_logprobs',
    'INVALID_ARGUMENT',
    /top_/,
  ],
  [
    'logprobs of a long answer',
    { logprobs: true, max_tokens: 900 },
    'logprobs',
    'INVALID_ARGUMENT',
    /max_tokens/,
  ],
  ['penalties', { frequency_penalty: 1 }, 'frequency_penalty', 'INVALID_ARGUMENT', /frequency_penalty/],
  [
    'a tool message',
    { messages: [{ role: 'tool', content: 'x' }] },
    'messages[0].role',
    'INVALID_ARGUMENT',
    /tool/,
  ],
  [
    'sound',
    { messages: [user({ type: 'input_audio', input_audio: {} })] },
    'messages[0].content[0]',
    'INVALID_ARGUMENT',
    /input_audio/,
  ],
  [
    'an image of the assistant',
    { messages: [{ role: 'assistant', content: [see('x')] }, user(say('x'))] },
    'messages[0]',
    'INVALID_ARGUMENT',
    /user/,
  ],
  [
    'a late system message',
    { messages: [user(say('x')), { role: 'system', content: 'x' }, user(say('x'))] },
    'messages[1]',
    'INVALID_ARGUMENT',
    /come first/,
  ],
  [
    'an answer at the end',
    { messages: [user(say('x')), { role: 'assistant', content: 'x' }] },
    'messages',
    'INVALID_ARGUMENT',
    /last message/,
  ],
  ['another model', { model: 'gpt-x' }, null, 'MODEL_NOT_FOUND', /"scripted"/],
  [
    'a path outside',
    { messages: [user(see('/etc/hostname'), say('x'))] },
    null,
    'PATH_NOT_ALLOWED',
    /outside/,
  ],
  [
    'a URL',
    { messages: [user(see('https://example.com/a.png'), say('x'))] },
    null,
    'URL_NOT_ALLOWED',
    /allow-urls/,
  ],
  [
    'an unknown image',
    { messages: [user(see(`img_${'0'.repeat(32)}`), say('x'))] },
    null,
    'UNKNOWN_IMAGE',
    /path/,
  ],
  [
    'damaged data',
    { messages: [user(see('data:image/png;base64,AAAA'), say('x'))] },
    null,
    'IMAGE_UNSUPPORTED',
    /PNG/,
  ],
  [
    'six images',
    { messages: [user(...Array.from({ length: 6 }, () => see('x.png')), say('x'))] },
    null,
    'TOO_MANY_IMAGES',
    /at most 5 images and got 6/,
  ],
];
for (const [what, body, param, code, said] of refusals) {
  test(`refused with a code and a next step: ${what}`, async () => {
    const { status, error, headers } = await ask([user(say('x'))], body);
    assert.ok(status >= 400 && status < 500, `${status}`);
    assert.deepEqual([error.code, error.param, error.type], [code, param, 'invalid_request_error']);
    assert.match(error.message, said);
    assert.equal(headers.get('x-should-retry'), 'false');
  });
}

test('an answer by a schema', async () => {
  const schema = { type: 'object', properties: { open: { type: 'boolean' } } };
  for (const response_format of [
    { type: 'json_object' },
    { type: 'json_schema', json_schema: { name: 'dialog', strict: true, schema } },
  ]) {
    const { choices } = await ask([user(say('Is the dialog open as JSON?'))], { response_format });
    assert.deepEqual(JSON.parse(choices[0].message.content), { open: true, title: 'Save as' });
    assert.equal(choices[0].finish_reason, 'stop');
  }
});

test('what does not change an answer may stand there', async () => {
  const { status } = await ask([user(say('x'))], {
    user: 'me',
    metadata: { a: 'b' },
    store: false,
    tools: [],
    n: 1,
    response_format: { type: 'text' },
    presence_penalty: 0,
    unheard_of: 1,
    temperature: null,
    seed: -1,
  });
  assert.equal(status, 200);
});

test('images of more than the limit are refused before they are decoded, and so are bodies', async () => {
  const small = await door(new ScriptedEngine(), {}, { imageBytes: 1024, mostImages: 2 });
  const url = `data:image/png;base64,${'A'.repeat(4096)}`;
  const image = await small.post('/v1/chat/completions', { messages: [user(see(url), say('x'))] });
  assert.equal(image.status, 413);
  assert.equal(((await image.json()) as Json).error.code, 'IMAGE_TOO_LARGE');
  const body = await small.post('/v1/chat/completions', 'x'.repeat(9 * 2 ** 20));
  assert.equal(body.status, 413);
  const two = await small.post('/v1/chat/completions', { messages: [user(see(data), see(data), see(data))] });
  assert.match(((await two.json()) as Json).error.message, /at most 2 images/);
  await small.close();
});

test('models, health and metrics', async () => {
  const list = (await (await opened.get('/v1/models')).json()) as Json;
  assert.deepEqual(
    list.data.map(({ id, object, owned_by }: Json) => [id, object, owned_by]),
    [['scripted', 'model', 'afterimage']],
  );
  assert.equal(((await (await opened.get('/v1/models/scripted')).json()) as Json).id, 'scripted');
  assert.equal((await opened.get('/v1/models/other')).status, 404);
  const health = await fetch(`${opened.url}/health`);
  assert.deepEqual([health.status, await health.json()], [200, { status: 'ok' }]);
  const metrics = await (await opened.get('/metrics')).text();
  assert.match(metrics, /^afterimage_requests_total\{path="\/v1\/chat\/completions",status="200"\} \d+$/m);
  assert.match(metrics, /^afterimage_tokens_total\{kind="image_cached"\} \d+$/m);
  assert.match(metrics, /^afterimage_completions_running 0$/m);
  assert.match(metrics, /^afterimage_engine\{counter="cancelled"\} \d+$/m);
  assert.match(metrics, /^afterimage_model_loaded\{model="scripted"\} 1$/m);
});

test('a model that fails to load is told by health and by each request', async () => {
  const failing = await door(new ScriptedEngine({ failLoad: 'No model; pull one.' }));
  const response = await failing.post('/v1/chat/completions', { messages: [user(say('x'))] });
  assert.equal(response.status, 404);
  assert.equal(((await response.json()) as Json).error.message, 'No model; pull one.');
  assert.equal((await fetch(`${failing.url}/health`)).status, 503);
  await failing.close();
});

test('only with the token, from this machine, on the paths there are', async () => {
  const knock = (path: string, headers: Record<string, string>, method = 'GET') =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const { hostname, port } = new URL(opened.url);
      const sent = request({ hostname, port, path, method, headers }, (response) => {
        let text = '';
        response.on('data', (more) => (text += more));
        response.on('end', () => resolve({ status: response.statusCode!, text }));
      });
      sent.on('error', reject);
      sent.end();
    });
  const authorization = `Bearer ${TOKEN}`;
  assert.equal((await knock('/v1/models', { authorization })).status, 200);
  const none = await knock('/v1/models', {});
  assert.equal(none.status, 401);
  assert.equal(JSON.parse(none.text).error.code, 'invalid_api_key');
  assert.equal((await knock('/metrics', {})).status, 401);
  assert.equal((await knock('/v1/models', { authorization, host: 'evil.example' })).status, 403);
  assert.equal((await knock('/health', { host: 'evil.example' })).status, 403);
  assert.equal((await knock('/v1/models', { authorization, origin: 'https://evil.example' })).status, 403);
  assert.equal((await knock('/v1/chat/completions', { authorization })).status, 405);
  assert.equal((await knock('/v2', { authorization })).status, 404);
  assert.equal((await knock('/v1/models/%E0%A4%A', { authorization })).status, 404);
});

test('a client that leaves stops its answer, and nobody else’s', async () => {
  const cancelled = () => engine.status().cache['cancelled']!;
  const earlier = cancelled();
  const leave = new AbortController();
  const body = { messages: [user(say('count to 500, words take 20 ms'))], stream: true };
  const [other] = await Promise.all([
    ask([user(say('count to 6, words take 40 ms'))]),
    opened.post('/v1/chat/completions', body, { signal: leave.signal }).then(async (response) => {
      await response.body!.getReader().read();
      leave.abort();
    }),
  ]);
  assert.equal(other.choices[0].message.content, '1 2 3 4 5 6');
  for (let tries = 0; cancelled() === earlier; tries++) {
    assert.ok(tries < 100, 'the engine heard of it');
    await sleep(20);
  }
});

test('an error after the answer began is told by the stream', async () => {
  const broken = new ScriptedEngine();
  const session = broken.open();
  broken.open = () => ({
    ...session,
    ask: async (_messages, options) => {
      options?.onText?.('Half');
      throw new Error('secret detail');
    },
  });
  const half = await door(broken);
  const response = await half.post('/v1/chat/completions', { messages: [user(say('x'))], stream: true });
  assert.equal(response.status, 200);
  const all = (await events(response)) as Json[];
  assert.equal(all.at(-1), '[DONE]');
  assert.equal(all.at(-2).error.code, 'INTERNAL');
  assert.doesNotMatch(JSON.stringify(all), /secret detail/);
  const before = await half.post('/v1/chat/completions', { messages: [user(say('x'))] });
  assert.equal(before.status, 500);
  await half.close();
});

test('images go before the text, unless text stands between them', () => {
  const [image, text] = [
    { type: 'image', url: 'a' },
    { type: 'text', text: 'b' },
  ] as const;
  assert.deepEqual(imagesFirst([text, image, image]), [image, image, text]);
  assert.deepEqual(imagesFirst([text, image, text]), [image, text, text]);
  assert.deepEqual(imagesFirst([image, text, image]), [image, text, image]);
});

test('MCP is there too, for the same client', async () => {
  const response = await opened.post(
    '/mcp',
    {
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } },
    },
    { headers: { accept: 'application/json, text/event-stream' } },
  );
  assert.equal(response.status, 200);
  assert.match(await response.text(), /Afterimage/);
});

test('a model that was trained so is given what was read, unless the other side is one of us and has done that', async () => {
  const asked: Message[][] = [];
  class Listening extends ScriptedEngine {
    override open(): Session {
      const session = super.open();
      const say = session.ask.bind(session);
      session.ask = (messages, options) => say((asked.push(messages), messages), options);
      return session;
    }
  }
  const content = [say('Which color?'), see(data)];
  const peer = { call: '0'.repeat(32) };
  for (const [readsAlong, more, written] of [
    [true, {}, 1],
    [true, { afterimage: peer }, 0],
    [false, {}, 0],
  ] as const) {
    const other = await door(new Listening({ readsAlong }), { allow: [folder] });
    await other.post('/v1/chat/completions', { messages: [user(...content)], ...more });
    await other.close();
    const parts = asked.at(-1)!.at(-1)!.content;
    const [image, ...texts] = parts;
    assert.equal(image?.type, 'image');
    assert.deepEqual(texts.at(-1), say('Which color?'));
    assert.equal(texts.length - 1, written);
    if (written) assert.match(JSON.stringify(texts[0]), /First line.*"reading":true/);
  }
});
