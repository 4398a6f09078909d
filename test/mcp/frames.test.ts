// Frames in time over every transport and era, on a real small checkpoint: one timeline through each door is the same
// prompt, and what does not fit one is refused by name.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { served, type Served } from '../http/served.js';
import { scratchFolder } from '../scratch-folder.js';
import { connect, KINDS, startHttp, type HttpServer, type Json, type TestClient } from './clients.js';
import { draw, pictureFolder } from './pictures.js';

const MODEL = new URL('../goldens/checkpoints/qwen3_vl', import.meta.url).pathname;
const folder = pictureFolder();
const frames = [0, 1, 2, 3, 4].map((i) => join(folder, `${i}.png`));
const launch = ['--model', MODEL, '--threads', '1', '--no-disk-cache', '--allow', folder];
const token = join(scratchFolder('frames'), 'token');
const question = 'What moves?';

let http: HttpServer;
let door: Served;
before(
  async () => {
    for (const [i, file] of frames.entries())
      await draw(file, '#ffffff', [{ x: 20 + 30 * i, y: 60, width: 60, height: 24, color: '#cc0000' }]);
    http = await startHttp(launch);
    door = await served(token, folder, ['--model', MODEL]);
  },
  { timeout: 120_000 },
);
after(async () => {
  await http?.stop();
  await door?.end();
});

async function completed(...parts: object[]): Promise<Json> {
  const response = await fetch(`${door.url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${readFileSync(token, 'utf8').trim()}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({
      messages: [{ role: 'user', content: [...parts, { type: 'text', text: question }] }],
      max_tokens: 6,
    }),
  });
  return { status: response.status, ...((await response.json()) as object) };
}

for (const kind of KINDS)
  describe(kind, { timeout: 300_000 }, () => {
    let client: TestClient;
    before(async () => {
      client = await connect(kind, launch, http);
    });
    after(() => client?.close());

    test('frames are one timeline, and one that is added costs only its moment', async () => {
      const asked = { message: question, fps: 0.05, max_tokens: 6 };
      const first = await client.call('chat_with_images', { ...asked, frames: frames.slice(0, 4) });
      assert.equal(first.isError, false, first.text);
      const [seen, ...others] = first.structured['images'] as Json[];
      assert.deepEqual([seen.frames, others.length], [4, 0]);
      const longer = await client.call('chat_with_images', { ...asked, frames });
      const { image_tokens, image_tokens_reused, prompt_tokens } = longer.structured['cache'];
      assert.equal(image_tokens, (first.structured['cache'].image_tokens / 2) * 3);
      assert.ok(image_tokens_reused >= first.structured['cache'].image_tokens);
      const { choices, usage } = await completed({ type: 'video', video: frames, fps: 0.05 });
      assert.deepEqual(
        [usage.prompt_tokens_details.image_tokens, usage.prompt_tokens],
        [image_tokens, prompt_tokens],
      );
      assert.equal(choices[0].message.content, longer.structured['answer']);
    });

    test('what is no timeline is refused with the next step', async () => {
      for (const [tool, args, code, next] of [
        ['chat_with_images', { frames: Array(65).fill(frames[0]) }, 'TOO_MANY_IMAGES', /at most 64/],
        ['chat_with_images', { fps: 2, images: [frames[0]] }, 'INVALID_ARGUMENT', /pass those too/],
        ['chat_with_images', { frames, fps: -1 }, 'INVALID_ARGUMENT', /fps/],
        [
          'describe_image',
          { image: frames[0], fps: 2, region: [0, 0, 9, 9] },
          'INVALID_ARGUMENT',
          /leave one/,
        ],
      ] as const) {
        const ask = tool === 'chat_with_images' ? { message: question, ...args } : args;
        const reply = await client.call(tool, ask);
        assert.equal(reply.isError, true, JSON.stringify(args).slice(0, 80));
        assert.match(reply.text, new RegExp(code));
        assert.match(reply.text, next);
      }
    });
  });

test('a request with too many frames, or a rate that is none, is refused', async () => {
  const crowded = await completed({ type: 'video', video: Array(65).fill(frames[0]) });
  assert.deepEqual([crowded.status, crowded.error.code], [400, 'TOO_MANY_IMAGES']);
  const still = await completed({ type: 'video', video: frames, fps: 0 });
  assert.equal(still.status, 400);
  assert.match(still.error.message, /fps/);
});
