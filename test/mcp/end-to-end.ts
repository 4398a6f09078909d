// Every promise about calls, as tests of any server: the engine behind it may be here or elsewhere.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connect, type HttpServer, type Kind } from './clients.js';
import type { Connected } from './connected.js';
import { toolAnswers } from './end-to-end-answers.js';
import { constrainedAnswers } from './end-to-end-constrained.js';
import { pages } from './end-to-end-pages.js';
import { places } from './end-to-end-places.js';
import { conversations } from './end-to-end-sessions.js';
import { draw } from './pictures.js';
import type { ServeSettings } from './serve.js';

/** Characters of what models are told of all tools: names, descriptions and arguments. */
const MOST_LISTED = 7500;

/** The pictures that the tests ask about. */
export async function drawPictures(folder: string): Promise<void> {
  const button = { x: 40, y: 60, width: 60, height: 24 };
  await draw(`${folder}/red.png`, '#ffffff', [{ ...button, color: '#cc0000' }]);
  await draw(`${folder}/blue.png`, '#ffffff', [{ ...button, color: '#0000cc' }]);
  await draw(`${folder}/other.png`, '#224466');
}

/** @param settings Known once the tests run. */
export function endToEnd(
  kinds: readonly Kind[],
  folder: string,
  settings: ServeSettings,
  http: () => HttpServer | undefined,
): void {
  const file = (name: string) => `${folder}/${name}.png`;
  for (const kind of kinds) {
    describe(kind, () => {
      const at: Connected = { kind, file, client: undefined! };
      before(async () => {
        at.client = await connect(kind, settings, http());
        // Starts the worker threads, which take long under tsx: the deadline is the tests' own matter.
        await at.client.call('ocr', { image: file('red') });
      });
      after(() => at.client?.close());

      test('speaks the newest protocol of its client', () => {
        assert.equal(at.client.protocol, kind.startsWith('v2') ? '2026-07-28' : '2025-11-25');
      });

      test('lists four annotated tools with input and output schemas', async () => {
        const tools = await at.client.tools();
        assert.deepEqual(
          tools.map(({ name }) => name),
          ['describe_image', 'ocr', 'compare_images', 'chat_with_images'],
        );
        for (const tool of tools) {
          assert.equal(tool['annotations'].readOnlyHint, true);
          assert.ok(
            tool['outputSchema'].properties.answer,
            `${tool['name']} has its answer in structuredContent`,
          );
          assert.doesNotMatch(
            JSON.stringify(tool['inputSchema']),
            /anyOf|oneOf|"type":\[/,
            'fields have a single type',
          );
        }
      });

      // What a client puts into every conversation of its model. Output schemas are its own affair.
      test('the list of tools is lean', async () => {
        const read = (await at.client.tools()).map(({ name, description, inputSchema }) => ({
          ...{ name, description, inputSchema },
        }));
        const size = JSON.stringify(read).length;
        assert.ok(size < MOST_LISTED, `${size} characters`);
      });

      toolAnswers(at);
      constrainedAnswers(at);
      places(at);
      pages(at);
      conversations(at);

      test('prompts, resources and completions', async () => {
        const { prompts } = await at.client.raw.listPrompts();
        assert.deepEqual(
          prompts.map(({ name }) => name),
          ['inspect_ui', 'before_and_after', 'read_error', 'extract_table'],
        );
        const { messages } = await at.client.raw.getPrompt({
          name: 'extract_table',
          arguments: { image: '/a.png', format: 'json' },
        });
        assert.match((messages[0]!.content as { text: string }).text, /\/a\.png as json/);
        const { structured } = await at.client.call('describe_image', { image: file('red') });
        const { image_id } = structured['images'][0];
        const { completion } = await at.client.raw.complete({
          ref: { type: 'ref/prompt', name: 'inspect_ui' },
          argument: { name: 'image', value: 'img_' },
        });
        assert.equal(completion.values[0], image_id, 'the image seen last comes first');
        const formats = await at.client.raw.complete({
          ref: { type: 'ref/prompt', name: 'extract_table' },
          argument: { name: 'format', value: 'm' },
        });
        assert.deepEqual(formats.completion.values, ['markdown']);
        const { contents } = await at.client.raw.readResource({ uri: `afterimage://image/${image_id}` });
        assert.equal(contents[0]!.mimeType, 'image/png');
        await assert.rejects(
          at.client.raw.readResource({ uri: 'afterimage://image/img_00000000000000000000000000000000' }),
        );
      });
    });
  }
}
