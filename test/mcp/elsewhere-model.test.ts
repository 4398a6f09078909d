// A real checkpoint behind --engine: every tool of a server that asks our own endpoint says what the tool says of a server
// that has loaded the same model itself.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { box, pdfFile } from '../image/pdf-files.js';
import { served, type Served } from '../http/served.js';
import { scratchFolder } from '../scratch-folder.js';
import { connect, type Json, type TestClient } from './clients.js';
import { draw, pictureFolder } from './pictures.js';

const MODEL = new URL('../goldens/checkpoints/qwen2_vl', import.meta.url).pathname;
const folder = pictureFolder();
const token = join(scratchFolder('elsewhere'), 'token');
const [before_, after_, document] = ['before.png', 'after.png', 'report.pdf'].map((name) =>
  join(folder, name),
);

let server: Served;
let elsewhere: TestClient;
let here: TestClient;

before(
  async () => {
    const button = { x: 40, y: 60, width: 60, height: 24 };
    await draw(before_!, '#ffffff', [{ ...button, color: '#cc0000' }]);
    await draw(after_!, '#ffffff', [{ ...button, color: '#0000cc' }]);
    const sheet = (blue: number) => ({
      mediaBox: [0, 0, 60, 40] as [number, number, number, number],
      content: box([0.2, 0.2, blue], 10, 10, 30, 20),
    });
    writeFileSync(document!, pdfFile([sheet(0.3), sheet(0.9)]));
    server = await served(token, folder, ['--model', MODEL]);
    process.env['AFTERIMAGE_ENGINE_KEY'] = readFileSync(token, 'utf8').trim();
    const own = ['--model', MODEL, '--threads', '1', '--no-disk-cache'];
    elsewhere = await connect('v2 stdio', ['--engine', server.url, '--allow', folder]);
    here = await connect('sdk stdio', [...own, '--allow', folder]);
  },
  { timeout: 120_000 },
);
after(async () => {
  await elsewhere?.close();
  await here?.close();
  await server?.end();
});

/** What a reply says, without what differs from call to call. */
function said(structured: Record<string, Json>): Json {
  const { session_id: _, difference: __, cache, model, ...rest } = structured;
  assert.equal(typeof model, 'string');
  return { ...rest, prompt_tokens: cache?.prompt_tokens };
}

async function both(tool: string, args: (client: TestClient) => Json): Promise<Json[]> {
  const replies = [];
  for (const client of [elsewhere, here]) {
    const reply = await client.call(tool, args(client), { timeoutMs: 60_000 });
    assert.equal(reply.isError, false, reply.text);
    replies.push(reply.structured);
  }
  assert.deepEqual(said(replies[0]!), said(replies[1]!), tool);
  return replies;
}

const schema = { type: 'object', properties: { open: { type: 'boolean' } }, required: ['open'] };
const asked: [what: string, tool: string, args: Json][] = [
  ['a description', 'describe_image', { image: before_, max_tokens: 12 }],
  [
    'a question about a part',
    'describe_image',
    { image: before_, question: 'What is here?', region: [30, 50, 80, 40], max_tokens: 8 },
  ],
  ['two pictures', 'compare_images', { before: before_, after: after_, max_tokens: 8 }],
  ['text that the model reads', 'ocr', { image: after_, method: 'model', max_tokens: 8 }],
  [
    'an answer by a schema',
    'describe_image',
    { image: before_, question: 'Is it open?', schema, max_tokens: 40 },
  ],
  ['a page of a document', 'describe_image', { image: document, page: '2', max_tokens: 8 }],
  ['two pages of a document', 'describe_image', { image: document, page: '1-2', max_tokens: 8 }],
  ['choices', 'describe_image', { image: before_, question: 'Which?', choices: ['red', 'blue'] }],
];
for (const [what, tool, args] of asked) {
  test(`${what}: the same from both`, async () => {
    const [theirs] = await both(tool, () => args);
    assert.ok(theirs!['answer'] !== undefined);
    const [again, ours] = await both(tool, () => args);
    assert.equal(
      again!['cache']?.prompt_tokens_reused,
      ours!['cache']?.prompt_tokens_reused,
      'as warm as here',
    );
  });
}

test('a conversation, cut and gone on with: the same from both', async () => {
  const first = await both('chat_with_images', () => ({
    images: [before_],
    message: 'What is it?',
    max_tokens: 5,
  }));
  assert.equal(first[0]!['truncated'], true);
  const ids = new Map([elsewhere, here].map((client, i) => [client, first[i]!['session_id']]));
  await both('chat_with_images', (client) => ({ message: '', session_id: ids.get(client), max_tokens: 4 }));
  await both('chat_with_images', (client) => ({
    ...{ message: 'And now?', images: [after_], session_id: ids.get(client), max_tokens: 4 },
  }));
});
