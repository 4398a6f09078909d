// An engine elsewhere, against a server that does exactly what it is told: what is sent, what is made of the answer, and
// how everything that goes wrong ends.
import assert from 'node:assert/strict';
import { after, afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AskOptions, Engine } from '../../src/engine/engine.js';
import {
  apiBase,
  CompletionsEngine,
  type CompletionsOptions,
} from '../../src/engine/completions/completions-engine.js';
import { imageTokensReused, tookOf } from '../../src/engine/completions/usage.js';
import type { ErrorCode } from '../../src/errors.js';
import { pixelIdentity } from '../../src/image/key.js';
import type { ImageInput } from '../../src/image/rgb-image.js';
import { systemMessage, userMessage } from '../../src/prompt/layout.js';
import type { Json } from '../mcp/clients.js';
import { MODELS, scriptedServer, type ScriptedServer, type Step } from './scripted-server.js';

const open: { close(): Promise<void> }[] = [];
const end = async (): Promise<void> => {
  for (const one of open.splice(0).reverse()) await one.close();
};
afterEach(end);
after(end);

async function server(models?: unknown, steps: Step[] = []): Promise<ScriptedServer> {
  const started = await scriptedServer(models);
  started.steps.push(...steps);
  open.push(started);
  return started;
}

function engineAt(servers: ScriptedServer[], more: Partial<CompletionsOptions> = {}): Engine {
  const engine = new CompletionsEngine({ urls: servers.map(({ url }) => url), ...more });
  open.push(engine);
  return engine;
}

function picture(seed: number, width = 32, height = 16): ImageInput {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * seed) & 255);
  const image = { width, height, data };
  return { ...pixelIdentity(image), pixels: async () => image };
}

const ask = (engine: Engine, image = picture(3), options: AskOptions = {}) =>
  engine.open().ask([systemMessage(), userMessage([image], 'What is it?')], { maxTokens: 50, ...options });

test('asks greedily, system text then image then question, and reads text, end and figures', async () => {
  const usage = { prompt_tokens: 100, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 64 } };
  const one = await server(undefined, [{ say: ['A ', 'box'], usage }]);
  let streamed = '';
  const answer = await ask(engineAt([one], { key: 'sesame' }), undefined, {
    onText: (text) => (streamed += text),
  });
  assert.deepEqual(answer, {
    text: 'A box',
    tokenIds: [],
    tokens: 2,
    stopReason: 'end',
    cache: { prompt_tokens: 100, prompt_tokens_reused: 64, source: 'remote' },
    decodeMs: 0,
    viewed: [{ width: 32, height: 16 }],
  });
  assert.equal(streamed, 'A box');
  const [{ messages, ...body }] = one.asked;
  assert.deepEqual(
    messages.map(({ role }: Json) => role),
    ['system', 'user'],
  );
  assert.deepEqual([body.model, body.temperature, body.max_tokens], ['seer', 0, 50]);
  assert.match(messages[1].content[0].uuid, /^img_[0-9a-f]{32}$/);
  assert.ok(one.keys.every((key) => key === 'Bearer sesame'));
});

test('without a key none is sent', async () => {
  const one = await server();
  await ask(engineAt([one]));
  assert.ok(one.keys.every((key) => key === undefined));
});

test('images are sent no larger than --max-pixels', async () => {
  const one = await server();
  const { viewed } = await ask(engineAt([one], { maxPixels: 1024 }), picture(5, 128, 64));
  assert.deepEqual(viewed, [{ width: 45, height: 22 }]);
});

test('an image that vLLM knows is only named, and sent again once it is forgotten', async () => {
  const one = await server();
  const engine = engineAt([one]);
  const image = picture(7);
  await ask(engine, image);
  one.steps.push(
    { say: ['Again'] },
    { status: 400, body: { error: { message: 'No such image in the cache' } } },
  );
  assert.equal((await ask(engine, image)).text, 'Again');
  assert.equal((await ask(engine, image)).text, 'Seen.');
  const urls = one.asked.map(({ messages }) => messages[1].content[0].image_url);
  assert.deepEqual(
    urls.map((url) => url !== null),
    [true, false, false, true],
  );
});

const faults: [what: string, steps: Step[], code: ErrorCode | undefined, requests: number][] = [
  ['a full queue, once', [{ status: 429, headers: { 'retry-after': '0' } }], undefined, 2],
  [
    'a full queue for good',
    Array<Step>(9).fill({ status: 429, headers: { 'retry-after': '0' } }),
    'ENGINE_BUSY',
    4,
  ],
  ['a failure, once', [{ status: 500 }], undefined, 2],
  ['a failure for good', Array<Step>(9).fill({ status: 500 }), 'ENGINE_FAILED', 4],
  ['a refused key', [{ status: 401 }], 'ENGINE_REFUSED', 1],
  ['a model that went', [{ status: 404 }], 'MODEL_NOT_FOUND', 1],
  ['a request it cannot read', [{ status: 422 }], 'INVALID_ARGUMENT', 1],
  [
    'a prompt that is too long',
    [{ status: 400, body: { error: { message: "This model's maximum context length is 4096 tokens." } } }],
    'CONTEXT_FULL',
    1,
  ],
  [
    'a model that turns out blind',
    [{ status: 500, body: { error: { message: 'image input is not supported - hint: mmproj' } } }],
    'MODEL_UNSUPPORTED',
    1,
  ],
  ['a connection that is cut before anything came', [{ cut: null }], undefined, 2],
  ['a stream that is cut before the first word', [{ cut: [] }], undefined, 2],
  ['a stream that is cut in the middle', [{ cut: ['Half ', 'an'] }], 'ENGINE_FAILED', 1],
  ['events that are no JSON', Array<Step>(9).fill({ raw: 'data: {"choices": [\n\n' }), 'ENGINE_FAILED', 4],
  ['events of another kind', Array<Step>(9).fill({ raw: 'data: {"choices": 5}\n\n' }), 'ENGINE_FAILED', 4],
  [
    'a stream that ends without saying why',
    Array<Step>(9).fill({ raw: 'data: [DONE]\n\n' }),
    'ENGINE_FAILED',
    4,
  ],
  ['an ending of its own', Array<Step>(9).fill({ say: [], finish: 'content_filter' }), 'ENGINE_FAILED', 4],
  [
    'an error inside the stream',
    Array<Step>(9).fill({ raw: 'data: {"error": {"message": "out of blocks"}}\n\n' }),
    'ENGINE_FAILED',
    4,
  ],
];
for (const [what, steps, code, requests] of faults) {
  test(`${what}: ${code ?? 'another try answers'}`, async () => {
    const one = await server(undefined, steps);
    const asked = ask(engineAt([one]));
    if (code) await assert.rejects(asked, { code });
    else assert.equal((await asked).text, 'Seen.');
    assert.equal(one.asked.length, requests);
  });
}

test('a server that falls silent is given up on', async () => {
  const one = await server(undefined, Array<Step>(9).fill({ silent: true }));
  await assert.rejects(ask(engineAt([one], { silenceMs: 300 })), { code: 'ENGINE_UNREACHABLE' });
});

test('a server that floods is hung up on', async () => {
  const one = await server(undefined, [{ say: ['x'.repeat(6 * 2 ** 20)] }]);
  one.steps.push(...Array<Step>(9).fill({ say: ['x'.repeat(6 * 2 ** 20)] }));
  await assert.rejects(ask(engineAt([one])), { code: 'ENGINE_FAILED' });
});

test('nobody there: unreachable, with what to do', async () => {
  const one = await server();
  await one.close();
  await assert.rejects(ask(engineAt([one])), { code: 'ENGINE_UNREACHABLE', message: /--engine URL/ });
});

test('cancel ends with what there is, and hangs up', async () => {
  const one = await server(undefined, [{ say: Array<string>(200).fill('word '), waitMs: 10 }]);
  const cancel = new AbortController();
  const answer = await ask(engineAt([one]), undefined, {
    signal: cancel.signal,
    onText: () => cancel.abort(),
  });
  assert.equal(answer.stopReason, 'cancelled');
  assert.match(answer.text, /^(word )+$/);
  assert.deepEqual(answer.cache, { source: 'remote' });
  for (let tries = 0; one.left === 0; tries++) {
    assert.ok(tries < 100);
    await sleep(20);
  }
});

test('cancel while a server is silent does not wait for it', async () => {
  const one = await server(undefined, [{ silent: true }]);
  const cancel = new AbortController();
  setTimeout(() => cancel.abort(), 100);
  const answer = await ask(engineAt([one]), undefined, { signal: cancel.signal });
  assert.deepEqual([answer.stopReason, answer.text], ['cancelled', '']);
});

test('stop strings end an answer here, also split over events; a loop ends it too', async () => {
  const one = await server(undefined, [
    { say: ['One S', 'TO', 'P two'] },
    { say: Array<string>(400).fill('ab ') },
  ]);
  const engine = engineAt([one]);
  const stopped = await ask(engine, undefined, { stop: ['STOP'] });
  assert.deepEqual([stopped.text, stopped.stopReason], ['One ', 'stop']);
  const looping = await ask(engine);
  assert.equal(looping.stopReason, 'loop');
  assert.ok(looping.text.length < 1200);
});

test('a cut answer is continued where the server can, and refused where it cannot', async () => {
  const continues = { text: 'One two', tokenIds: [] };
  const able = await server(undefined, [{ say: [' three'] }]);
  const answer = await ask(engineAt([able]), undefined, { continues });
  assert.equal(answer.text, 'One two three');
  const [body] = able.asked;
  assert.deepEqual(body.messages.at(-1), { role: 'assistant', content: 'One two' });
  assert.deepEqual([body.continue_final_message, body.add_generation_prompt], [true, false]);
  const unable = await server(MODELS('library', { capabilities: ['vision'] }));
  const engine = engineAt([unable]);
  assert.equal((await engine.ready()).endsForGood, true);
  await assert.rejects(ask(engine, undefined, { continues }), {
    code: 'INVALID_ARGUMENT',
    message: /Ollama/,
  });
});

test('choices are refused by name: chat completions do not say how probable an answer is', async () => {
  const one = await server(undefined, [{ say: ['yes'] }]);
  await assert.rejects(ask(engineAt([one]), undefined, { choices: ['yes', 'no'] }), {
    code: 'INVALID_ARGUMENT',
    message: /leave out choices/,
  });
  assert.equal(one.asked.length, 0);
});

test('a schema is handed on, and the answer is held to it here', async () => {
  const schema = { type: 'object', properties: { open: { type: 'boolean' } }, required: ['open'] };
  const one = await server(undefined, [
    { say: ['{"open"', ': true}'] },
    { say: ['{"open": tr'], finish: 'length' },
  ]);
  const engine = engineAt([one]);
  const whole = await ask(engine, undefined, { schema });
  assert.deepEqual([whole.text, whole.whole], ['{"open": true}', true]);
  assert.deepEqual(one.asked[0]!['response_format'], {
    type: 'json_schema',
    json_schema: { name: 'answer', strict: true, schema },
  });
  const cut = await ask(engine, undefined, { schema });
  assert.deepEqual([cut.stopReason, cut.whole], ['length', false]);
  for (const said of ['{"open": 1}', 'It is open.']) {
    const other = await server(undefined, Array(9).fill({ say: [said] }));
    await assert.rejects(ask(engineAt([other]), undefined, { schema }), { code: 'ENGINE_FAILED' });
  }
  const unable = await server(MODELS('mlx-vlm'), [{ say: ['{}'] }]);
  await assert.rejects(ask(engineAt([unable]), undefined, { schema }), {
    code: 'INVALID_ARGUMENT',
    message: /mlx-vlm cannot hold its answers to a schema/,
  });
  assert.equal(unable.asked.length, 0);
});

test('models: the only one, the named one, the choice, and those that do not see', async () => {
  const two = { data: [...MODELS('vllm').data, { id: 'other', owned_by: 'vllm' }] };
  const many = await server(two);
  await assert.rejects(engineAt([many]).ready(), { code: 'INVALID_ARGUMENT', message: /"seer", "other"/ });
  await assert.rejects(engineAt([many], { model: 'gone' }).ready(), {
    code: 'MODEL_NOT_FOUND',
    message: /"seer"/,
  });
  assert.equal((await engineAt([many], { model: 'seer' }).ready()).name, 'seer');
  await assert.rejects(engineAt([many], { model: 'other' }).ready(), {
    code: 'MODEL_UNSUPPORTED',
    message: /other/,
  });
  // Lists need not be whole, and some servers have none: a model that is named is asked.
  for (const list of [undefined, { data: [] }, { data: [{ id: 'another' }] }]) {
    const short = await server(list ?? null);
    if (!list) delete short.others['/v1/models'];
    assert.equal((await engineAt([short], { model: 'seer' }).ready()).name, 'seer');
    const answer = await ask(engineAt([short], { model: 'seer' }));
    assert.equal(answer.text, 'Seen.');
    await assert.rejects(engineAt([short], { model: 'gone' }).ready(), { code: 'MODEL_NOT_FOUND' });
    await assert.rejects(engineAt([short], { model: 'other' }).ready(), { code: 'MODEL_UNSUPPORTED' });
    if (list?.data.length !== 1) await assert.rejects(engineAt([short]).ready(), { code: 'MODEL_NOT_FOUND' });
  }
  const stated = MODELS('llamacpp', { architecture: { input_modalities: ['text'] } });
  await assert.rejects(engineAt([await server(stated)]).ready(), { code: 'MODEL_UNSUPPORTED' });
  const odd = await server({ models: [] });
  await assert.rejects(engineAt([odd]).ready(), { code: 'ENGINE_FAILED', message: /list of models/ });
});

test('what each kind of server tells about itself', async () => {
  const llama = MODELS('llamacpp', {
    architecture: { input_modalities: ['text', 'image'] },
    meta: { n_ctx_train: 32768, n_params: 2e9 },
  });
  const one = await server(llama, [
    {
      say: ['x'],
      timings: { cache_n: 60, prompt_n: 40, prompt_ms: 12.5, predicted_n: 1, predicted_ms: 3 },
      usage: null,
    },
  ]);
  const engine = engineAt([one]);
  const info = await engine.ready();
  assert.deepEqual([info.backend, info.parameters], ['llama-server', 2e9]);
  const { cache, decodeMs } = await ask(engine);
  assert.deepEqual(cache, {
    prompt_tokens: 100,
    prompt_tokens_reused: 60,
    prefill_ms: 12.5,
    source: 'remote',
  });
  assert.equal(decodeMs, 3);
  assert.equal(one.asked[0].return_progress, true);
  const ollama = await server({ data: [{ id: 'seer' }] });
  Object.assign(ollama.others, {
    '/api/version': { version: '1' },
    '/api/show': { capabilities: ['vision'] },
  });
  assert.equal((await engineAt([ollama]).ready()).backend, 'Ollama');
  const sglang = await server(MODELS('sglang'));
  sglang.others['/get_model_info'] = { has_image_understanding: false };
  await assert.rejects(engineAt([sglang]).ready(), { code: 'MODEL_UNSUPPORTED' });
});

test('figures that are not there, or cannot be true, are absent', () => {
  const cache = (usage: unknown) => tookOf({ usage }).cache;
  assert.deepEqual(cache(undefined), { source: 'remote' });
  assert.deepEqual(cache('many'), { source: 'remote' });
  assert.deepEqual(cache({ prompt_tokens: -1, prompt_tokens_details: { cached_tokens: 5 } }), {
    source: 'remote',
  });
  assert.deepEqual(cache({ prompt_tokens: 10, prompt_tokens_details: { cached_tokens: 50 } }), {
    prompt_tokens: 10,
    source: 'remote',
  });
  assert.deepEqual(cache({ prompt_tokens: 10, prompt_tokens_details: null }), {
    prompt_tokens: 10,
    source: 'remote',
  });
  const sglang = { prompt_tokens: 100, prompt_tokens_details: { cached_tokens: 99, image_tokens: 64 } };
  assert.deepEqual(cache(sglang), {
    prompt_tokens: 100,
    prompt_tokens_reused: 99,
    image_tokens: 64,
    source: 'remote',
  });
  assert.equal(imageTokensReused(100, 100, 64), 64);
  assert.equal(imageTokensReused(100, 0, 64), 0);
  assert.equal(imageTokensReused(100, 50, 64), undefined);
});

test('of several servers one keeps an image, the others take the rest, and one that dies is done without', async () => {
  const servers = [await server(), await server()];
  const engine = engineAt(servers);
  const images = [1, 2, 3, 4].map((seed) => picture(seed * 17));
  // In another order each time, so that taking turns alone would not bring them home.
  for (const round of [
    [0, 1, 2, 3],
    [0, 2, 1, 3],
    [3, 1, 2, 0],
  ])
    for (const index of round) await ask(engine, images[index]!);
  const counts = servers.map(({ asked }) => asked.length);
  assert.deepEqual(counts, [6, 6]);
  for (const { asked } of servers) {
    const sent = asked.map(({ messages }) => messages[1].content[0].image_url !== null);
    assert.equal(sent.filter(Boolean).length, 2, 'each image was sent to one server, once');
  }
  await servers[0]!.close();
  for (const image of images) assert.equal((await ask(engine, image)).text, 'Seen.');
  assert.equal(servers[1]!.asked.length, 10);
  assert.equal(engine.status().cache['servers_resting'], 1);
});

test('two questions at once go to two servers', async () => {
  const slow: Step = { say: ['a', 'b', 'c'], waitMs: 60 };
  const servers = [await server(undefined, [slow]), await server(undefined, [slow])];
  const engine = engineAt(servers);
  await Promise.all([ask(engine, picture(11)), ask(engine, picture(13))]);
  assert.deepEqual(
    servers.map(({ asked }) => asked.length),
    [1, 1],
  );
});

test('warming asks for one token behind the image, and a closed engine says so', async () => {
  const one = await server();
  const engine = engineAt([one]);
  await engine.warm([picture(19)]);
  assert.ok(one.paths.filter((path) => path === '/v1/chat/completions').length > 0);
  const session = engine.open();
  session.close();
  await assert.rejects(session.ask([userMessage([], 'x')]), { code: 'CLOSED' });
  await engine.close();
  await assert.rejects((async () => ask(engine))(), { code: 'CLOSED' });
});

test('addresses', () => {
  assert.equal(apiBase('http://127.0.0.1:8000'), 'http://127.0.0.1:8000/v1');
  assert.equal(apiBase('https://host/api/v3/'), 'https://host/api/v3');
  for (const wrong of ['host:8000', 'ftp://x', 'http://key@host', 'http://host/?key=1'])
    assert.throws(() => apiBase(wrong), { code: 'INVALID_ARGUMENT', message: /AFTERIMAGE_ENGINE_KEY/ });
});
