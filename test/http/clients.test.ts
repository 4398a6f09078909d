// Three client libraries as their users call them, against the bundled model behind `afterimage serve --http`.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { HumanMessage, SystemMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, streamText } from 'ai';
import OpenAI from 'openai';
import { starterFolder } from '../../src/engine/model-folder.js';
import { ROOT } from '../mcp/clients.js';
import { built } from '../built.js';
import { ended } from '../ended.js';

const MODEL = 'afterimage-starter';
const folder = mkdtempSync(join(tmpdir(), 'afterimage-door-'));
const LOGIN = join(starterFolder(), 'examples', 'login.png');
const bytes = readFileSync(LOGIN);
const url = `data:image/png;base64,${bytes.toString('base64')}`;
let server: ChildProcess;
let baseURL: string;
let apiKey: string;
let openai: OpenAI;

before(async () => {
  const options = [
    '--http',
    '0',
    '--socket',
    join(folder, 'engine.sock'),
    '--no-disk-cache',
    '--threads',
    '2',
  ];
  const args = [built(), 'serve', ...options, '--token-file', join(folder, 'token')];
  server = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'] });
  for await (const line of createInterface({ input: server.stderr! })) {
    const found = /answers for afterimage-starter on (\S+)/.exec(line);
    if (!found) continue;
    baseURL = found[1]!;
    apiKey = readFileSync(join(folder, 'token'), 'utf8').trim();
    openai = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
    return;
  }
  assert.fail('The server ended before it said where it listens.');
});
after(async () => {
  server?.kill('SIGTERM');
  if (server) await ended(server);
  rmSync(folder, { recursive: true, force: true });
});

const asked = (text: string): OpenAI.ChatCompletionMessageParam[] => [
  {
    role: 'user',
    content: [
      { type: 'text', text },
      { type: 'image_url', image_url: { url } },
    ],
  },
];

describe('openai', () => {
  test('answers, and a second question is answered from the cache', async () => {
    const first = await openai.chat.completions.create({
      model: MODEL,
      messages: asked('Describe the image.'),
      max_tokens: 24,
    });
    assert.ok(first.choices[0]!.message.content);
    assert.equal(first.choices[0]!.finish_reason, 'length');
    assert.equal(first.usage!.completion_tokens, 24);
    const begun = performance.now();
    const second = await openai.chat.completions.create({
      model: MODEL,
      messages: asked('What is wrong here?'),
      max_tokens: 4,
    });
    const took = performance.now() - begun;
    const details = second.usage!.prompt_tokens_details as { cached_tokens: number; image_tokens: number };
    assert.ok(details.image_tokens > 100);
    assert.ok(details.cached_tokens > details.image_tokens, 'the image and the text before it');
    assert.ok(details.cached_tokens < second.usage!.prompt_tokens);
    assert.ok(took < 30_000, `${took} ms`);
  });

  test('streams the same answer that comes whole', async () => {
    const wanted = { model: MODEL, messages: asked('Describe the image.'), max_tokens: 24 };
    const whole = await openai.chat.completions.create(wanted);
    const stream = openai.chat.completions.stream({ ...wanted, stream_options: { include_usage: true } });
    let text = '';
    stream.on('content', (delta) => (text += delta));
    const final = await stream.finalChatCompletion();
    assert.equal(final.choices[0]!.message.content, whole.choices[0]!.message.content);
    assert.equal(text, whole.choices[0]!.message.content);
    assert.equal((await stream.totalUsage()).completion_tokens, 24);
  });

  test('says how probable each token was, whole and streamed', async () => {
    const wanted = {
      model: MODEL,
      messages: asked('Describe the image.'),
      max_tokens: 8,
      logprobs: true,
    } as const;
    const whole = await openai.chat.completions.create(wanted);
    const tokens = whole.choices[0]!.logprobs!.content!;
    assert.equal(tokens.length, 8);
    assert.equal(tokens.map(({ token }) => token).join(''), whole.choices[0]!.message.content);
    assert.ok(tokens.every(({ logprob }) => logprob <= 0 && logprob > -20));
    const streamed = [];
    for await (const { choices } of await openai.chat.completions.create({ ...wanted, stream: true }))
      streamed.push(...(choices[0]?.logprobs?.content ?? []));
    assert.deepEqual(streamed, tokens);
  });

  test('errors carry our codes', async () => {
    await assert.rejects(openai.chat.completions.create({ model: 'gpt-4o', messages: asked('x') }), {
      status: 404,
      code: 'MODEL_NOT_FOUND',
      message: /afterimage-starter/,
    });
    const wrong = new OpenAI({ baseURL, apiKey: 'wrong', maxRetries: 0 });
    await assert.rejects(wrong.models.list(), { status: 401 });
  });

  test('lists the model', async () => {
    const ids = [];
    for await (const { id } of openai.models.list()) ids.push(id);
    assert.deepEqual(ids, [MODEL]);
  });
});

describe('LangChain', () => {
  const model = () =>
    new ChatOpenAI({
      model: MODEL,
      apiKey,
      configuration: { baseURL },
      maxTokens: 16,
      maxRetries: 0,
      temperature: 0,
    });
  const messages = [
    new SystemMessage('Answer in short.'),
    new HumanMessage({
      content: [
        { type: 'text', text: 'What is this?' },
        { type: 'image_url', image_url: { url } },
      ],
    }),
  ];

  test('answers, streams the same, and reports usage', async () => {
    const whole = await model().invoke(messages);
    assert.ok(whole.text.length > 0);
    const { usage_metadata } = await model().invoke(messages);
    assert.ok(usage_metadata!.input_token_details!.cache_read! > 0);
    let text = '';
    for await (const part of await model().stream(messages)) text += part.text;
    assert.equal(text, whole.text);
  });
});

describe('AI SDK', () => {
  const model = () =>
    createOpenAICompatible({ name: 'afterimage', baseURL, apiKey, includeUsage: true })(MODEL);
  const messages = [
    {
      role: 'user' as const,
      content: [
        { type: 'text' as const, text: 'What is this?' },
        { type: 'image' as const, image: new Uint8Array(bytes), mediaType: 'image/png' },
      ],
    },
  ];

  test('answers, streams the same, and reports usage', async () => {
    const wanted = { messages, maxOutputTokens: 16, maxRetries: 0 };
    const whole = await generateText({ model: model(), ...wanted });
    assert.ok(whole.text.length > 0);
    const stream = streamText({ model: model(), ...wanted });
    let text = '';
    for await (const part of stream.textStream) text += part;
    assert.equal(text, whole.text);
    const { cachedInputTokens } = await stream.usage;
    assert.ok(cachedInputTokens! > 100);
  });
});
