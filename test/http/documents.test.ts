// Documents in requests of chat completions: as a file, as a data URI, as a path with its pages.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { box, pdfFile } from '../image/pdf-files.js';
import type { Json } from '../mcp/clients.js';
import { scratchFolder } from '../scratch-folder.js';
import { door, type OpenDoor } from './doors.js';

const folder = scratchFolder('documents');
const bytes = pdfFile([0, 0.5, 1].map((shade) => ({ content: box([shade, shade, shade], 0, 0, 300, 200) })));
const data = `data:application/pdf;base64,${bytes.toString('base64')}`;
writeFileSync(`${folder}/three.pdf`, bytes);
let opened: OpenDoor;
before(async () => {
  opened = await door(undefined, { allow: [folder] });
});
after(() => opened?.close());

async function ask(...parts: object[]): Promise<{ status: number; body: Json }> {
  const messages = [{ role: 'user', content: [{ type: 'text', text: 'What?' }, ...parts] }];
  const response = await opened.post('/v1/chat/completions', { messages });
  return { status: response.status, body: await response.json() };
}

const see = (url: string) => ({ type: 'image_url', image_url: { url } });

test('a page is an image, and a range is several in their place', async () => {
  for (const [parts, images] of [
    [[{ type: 'file', file: { filename: 'three.pdf', file_data: data } }], 1],
    [[see(data)], 1],
    [[see(`${folder}/three.pdf#page=2-3`)], 2],
    [[see(`${folder}/three.pdf#page=3`), see(`${folder}/three.pdf#page=1-3`)], 4],
  ] as const) {
    const { status, body } = await ask(...parts);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.usage.prompt_tokens_details.image_tokens, 64 * images);
  }
});

test('more pages than images of a request are refused, and so is a file that is only with the provider', async () => {
  const range = see(`${folder}/three.pdf#page=1-3`);
  const crowded = await ask(range, range);
  assert.deepEqual([crowded.status, crowded.body.error.code], [400, 'TOO_MANY_IMAGES']);
  assert.match(crowded.body.error.message, /at most 5 images and got 6/);
  const absent = await ask(see(`${folder}/three.pdf#page=9`));
  assert.equal(absent.body.error.code, 'PAGE_NOT_FOUND');
  const uploaded = await ask({ type: 'file', file: { file_id: 'file-1' } });
  assert.equal(uploaded.status, 400);
});
