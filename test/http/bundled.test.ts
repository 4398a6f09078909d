// The bundled model through the door: a plain client of the API is answered as one of the tools is.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Options } from '../../src/cli/options.js';
import { openEngine } from '../../src/cli/open-engine.js';
import { openElementReader, openReader } from '../../src/cli/open-reader.js';
import { starterFolder } from '../../src/engine/model-folder.js';
import { runTool } from '../../src/ask/run-tool.js';
import type { Json } from '../mcp/clients.js';
import { chatWithImages } from '../../tools/chat-with-images.js';
import { door } from './doors.js';

const folder = join(starterFolder(), 'examples');
const file = join(folder, 'login.png');

test('the same question has the same answer, from what was read', async () => {
  const options = new Options(['--no-disk-cache', '--threads', '2']);
  const engine = await openEngine(options);
  const eyes = { reader: await openReader(options), elements: openElementReader(options) };
  const opened = await door(engine, { allow: [folder], ...eyes });
  try {
    for (const question of ['What is the title?', 'Is the checkbox "Stay signed in" checked?']) {
      const content = [
        { type: 'text', text: question },
        { type: 'image_url', image_url: { url: file } },
      ];
      const body = { messages: [{ role: 'user', content }], max_tokens: 40 };
      const { choices, usage } = (await (await opened.post('/v1/chat/completions', body)).json()) as Json;
      const { structured } = await runTool(
        chatWithImages,
        { images: [file], message: question, max_tokens: 40, verbose: true },
        { ...opened.app, signal: AbortSignal.timeout(60_000), deadline: Infinity, onProgress: () => {} },
      );
      const reply = structured as Json;
      assert.equal(choices[0].message.content, reply.answer);
      assert.equal(usage.prompt_tokens, reply.cache.prompt_tokens, 'the same prompt, token for token');
      assert.ok(usage.prompt_tokens > 200, 'with the lines that were read');
    }
  } finally {
    await opened.close();
  }
});
