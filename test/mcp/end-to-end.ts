// Every promise about calls, as tests of any server: the engine behind it may be here or elsewhere.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, KINDS, type HttpServer, type Kind, type Step, type TestClient } from './clients.js';
import { draw } from './pictures.js';
import type { ServeSettings } from './serve.js';

export const DEADLINE_MS = 1200;

const cancelledSoFar = async (client: TestClient): Promise<number> => {
  const { contents } = await client.raw.readResource({ uri: 'afterimage://status' });
  return JSON.parse((contents[0] as { text: string }).text).cache.cancelled;
};

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
      let client: TestClient;
      before(async () => {
        client = await connect(kind, settings, http());
        // Starts the worker threads, which take long under tsx: the deadline is the tests' own matter.
        await client.call('ocr', { image: file('red') });
      });
      after(() => client?.close());

      test('speaks the newest protocol of its client', () => {
        assert.equal(client.protocol, kind.startsWith('v2') ? '2026-07-28' : '2025-11-25');
      });

      test('lists four annotated tools with input and output schemas', async () => {
        const tools = await client.tools();
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

      test('describe_image answers, names the image and reports sizes', async () => {
        const { structured, text } = await client.call('describe_image', { image: file('red') });
        assert.match(structured['answer'], /Describe the image/);
        assert.ok(text.startsWith(structured['answer']), 'content carries the same answer');
        assert.deepEqual(
          { ...structured['images'][0], image_id: undefined },
          { image_id: undefined, width: 320, height: 200, viewed_width: 256, viewed_height: 128 },
        );
        const again = await client.call('describe_image', {
          image: structured['images'][0].image_id,
          question: 'What color?',
        });
        assert.match(again.structured['answer'], /What color\?/);
        assert.equal(again.structured['cache'].image_tokens_reused, again.structured['cache'].image_tokens);
      });

      test('a region is cut out before the model sees it, and reported', async () => {
        const region = { x: 40, y: 60, width: 60, height: 24 };
        const { structured } = await client.call('describe_image', { image: file('red'), region });
        assert.deepEqual(structured['images'][0].region, region);
        const other = await client.call('describe_image', {
          image: file('blue'),
          region: { ...region, x: 200 },
        });
        assert.equal(other.structured['cache'].image_tokens, 64);
      });

      test('ocr reads with the text reader: text, lines and words in pixels of the original', async () => {
        const text = await client.call('ocr', { image: file('red') });
        assert.match(text.structured['answer'], /^First line\nSecond \[\?\] line\n/);
        assert.equal(text.structured['model'], 'none');
        assert.equal(text.structured['lines'], undefined);
        const region = { x: 20, y: 100, width: 200, height: 100 };
        const { structured } = await client.call('ocr', { image: file('red'), format: 'words', region });
        const [first, second] = structured['lines'];
        const { words, ...line } = first;
        assert.deepEqual(line, {
          text: 'First line',
          x: 20,
          y: 100,
          width: 100,
          height: 25,
          confidence: 0.9,
        });
        assert.deepEqual(words[1], { text: 'line', x: 80, y: 100, width: 40, height: 25 });
        assert.equal(second.y, 150);
      });

      test('ocr finds text and says where to click', async () => {
        const { structured } = await client.call('ocr', { image: file('red'), find: 'FIRST  line' });
        const [match] = structured['matches'];
        assert.deepEqual([match.text, match.score, match.x, match.y], ['First line', 1, 0, 0]);
        assert.deepEqual(match.center, { x: match.width / 2, y: Math.floor(match.height / 2) });
        const none = await client.call('ocr', { image: file('red'), find: 'Nowhere' });
        assert.deepEqual(none.structured['matches'], []);
        assert.match(none.structured['answer'], /does not stand/);
      });

      test('ocr by the model, where it is asked to', async () => {
        const model = { image: file('red'), method: 'model' };
        const text = await client.call('ocr', { ...model, languages: ['German'] });
        assert.equal(text.structured['answer'], 'First line\nSecond [?] line');
        const lines = await client.call('ocr', {
          ...model,
          format: 'lines',
          region: { x: 20, y: 100, width: 200, height: 100 },
        });
        assert.equal(lines.structured['answer'], 'First line\nSecond line');
        assert.deepEqual(lines.structured['lines'], [
          { text: 'First line', x: 20, y: 100, width: 100, height: 10 },
          { text: 'Second line', x: 20, y: 120, width: 200, height: 10 },
        ]);
      });

      test('the model is given what was read, where it is asked for, behind the image', async () => {
        for (const [tool, args] of [
          ['describe_image', { image: file('red'), question: 'What is this?' }],
          ['chat_with_images', { images: [file('red')], message: 'What is this?' }],
        ] as const) {
          const plain = await client.call(tool, args);
          assert.doesNotMatch(plain.structured['answer'], /Text:/);
          const { structured } = await client.call(tool, { ...args, reading: true });
          assert.match(
            structured['answer'],
            /Text:\n0 0 First line\n0 50 Second \[\?\] line\n0 75 .*\nWhat is this\?/,
          );
        }
      });

      test('compare_images names changed text, and nothing where none changed', async () => {
        const { structured } = await client.call('compare_images', {
          image_a: file('red'),
          image_b: file('blue'),
        });
        const [change, ...others] = structured['text_changes'];
        assert.deepEqual(others, []);
        assert.match(change.old, /^Pixels /);
        assert.match(change.new, /^Pixels /);
        assert.deepEqual(change.before, change.after);
        const same = await client.call('compare_images', { image_a: file('red'), image_b: file('red') });
        assert.deepEqual(same.structured['text_changes'], []);
      });

      test('compare_images answers equal pixels without the model', async () => {
        const { structured } = await client.call('compare_images', {
          image_a: file('red'),
          image_b: file('red'),
        });
        assert.equal(structured['identical'], true);
        assert.equal(structured['model'], 'none');
        assert.match(structured['answer'], /identical/);
      });

      test('compare_images does not ask the model where nothing changed by its own measure', async () => {
        const { structured } = await client.call('compare_images', {
          image_a: file('red'),
          image_b: file('blue'),
          threshold: 1,
        });
        assert.deepEqual(
          [structured['identical'], structured['changed_pixels'], structured['model']],
          [false, 0, 'none'],
        );
        assert.match(structured['answer'], /No pixel in the whole image differs by more than the threshold/);
      });

      test('compare_images measures the change, explains it and refers to its picture', async () => {
        const { structured, content } = await client.call('compare_images', {
          image_a: file('red'),
          image_b: file('blue'),
          inline_difference: true,
        });
        assert.equal(structured['changed_pixels'], 60 * 24);
        assert.deepEqual(structured['regions'], [
          {
            before: { x: 40, y: 60, width: 60, height: 24 },
            after: { x: 40, y: 60, width: 60, height: 24 },
            changed_pixels: 60 * 24,
          },
        ]);
        assert.match(structured['answer'], /red instead of blue/);
        assert.equal(structured['images'].length, 2, 'crops are not listed');
        assert.equal(structured['cache'].image_tokens, 4 * 64, 'both images and both crops were shown');
        assert.ok(
          content.some(({ type, uri }) => type === 'resource_link' && uri === structured['difference']),
        );
        assert.ok(content.some(({ type, mimeType }) => type === 'image' && mimeType === 'image/png'));
        const { contents } = await client.raw.readResource({ uri: structured['difference'] });
        assert.ok(
          Buffer.from((contents[0] as { blob: string }).blob, 'base64')
            .subarray(1, 4)
            .equals(Buffer.from('PNG')),
        );
      });

      test('choices come with their probabilities, best first, and are refused where there is nothing to choose', async () => {
        const ask = (tool: string, given: object) =>
          client.call(tool, {
            ...(tool === 'describe_image'
              ? { image: file('red'), question: 'Is it open?' }
              : { images: [file('red')], message: 'Is it open?' }),
            ...given,
          });
        for (const tool of ['describe_image', 'chat_with_images']) {
          const { structured, text } = await ask(tool, { choices: ['yes', 'no'] });
          assert.equal(structured['answer'], 'no');
          assert.ok(text.startsWith('no'));
          assert.deepEqual(structured['choices'], [
            { text: 'no', probability: 0.73106, length_normalized: 0.52082, log_probability: -2 },
            { text: 'yes', probability: 0.26894, length_normalized: 0.47918, log_probability: -3 },
          ]);
          const { session_id } = structured;
          const next = await client.call('chat_with_images', { message: 'And now?', session_id });
          assert.match(
            next.structured['answer'],
            /And now\? \(after 1 answers\)/,
            'it stands in the history',
          );
          for (const [choices, why] of [
            [['yes'], /choices/],
            [['yes', 'yes'], /twice/],
            [['yes', ''], /choices/],
            [Array.from({ length: 33 }, (_, i) => `${i}`), /choices/],
          ] as const) {
            const refused = await ask(tool, { choices });
            assert.equal(refused.code, 'INVALID_ARGUMENT');
            assert.match(refused.text, why);
          }
        }
        const unasked = await client.call('describe_image', { image: file('red'), choices: ['yes', 'no'] });
        assert.match(unasked.text, /Choices answer a question/);
      });

      test('an answer by a schema comes as the value that it is, too, and what cannot be held is refused by name', async () => {
        const schema = {
          type: 'object',
          properties: { open: { type: 'boolean' }, title: { type: 'string' } },
          required: ['open'],
        };
        const ask = (tool: string, given: object) =>
          client.call(tool, {
            ...(tool === 'describe_image'
              ? { image: file('red'), question: 'Is the dialog open as JSON?' }
              : { images: [file('red')], message: 'Is the dialog open as JSON?' }),
            ...given,
          });
        for (const tool of ['describe_image', 'chat_with_images']) {
          for (const given of [schema, JSON.stringify(schema)]) {
            const { structured, text } = await ask(tool, { schema: given });
            assert.deepEqual(structured['structured'], { open: true, title: 'Save as' });
            assert.equal(structured['answer'], '{"open": true, "title": "Save as"}');
            assert.equal(text.split('Save as').length, 2, 'who reads the text reads it once');
            assert.ok(!structured['truncated']);
          }
          const plain = await ask(tool, {});
          assert.equal(plain.structured['structured'], undefined);
          for (const [refused, code, why] of [
            [{ schema: { not: {} } }, 'SCHEMA_UNSUPPORTED', /not is not supported/],
            [{ schema: { type: 'text' } }, 'INVALID_ARGUMENT', /type "text"/],
            [{ schema: 'an object' }, 'INVALID_ARGUMENT', /expected a JSON Schema/],
            [{ schema, choices: ['yes', 'no'] }, 'INVALID_ARGUMENT', /leave one of the two out/],
          ] as const) {
            const answer = await ask(tool, refused);
            assert.equal(answer.code, code, answer.text);
            assert.match(answer.text, why);
          }
        }
        const { session_id } = (await ask('chat_with_images', {})).structured;
        const more = await client.call('chat_with_images', { message: '', session_id, schema });
        assert.match(more.text, /A schema belongs to a question/);
      });

      test('an answer by a schema that the deadline cut is whole with the call that goes on', async () => {
        const unseen = file(`${kind.replace(' ', '-')}-schema`);
        await draw(unseen, `#2${KINDS.indexOf(kind)}3311`);
        const first = await client.call('describe_image', {
          image: unseen,
          question: 'Is the dialog open as JSON? encode takes 1100 ms, prefill takes 300 ms',
          schema: { type: 'object' },
        });
        assert.deepEqual([first.structured['truncated'], first.structured['structured']], [true, undefined]);
        const { session_id } = first.structured;
        const more = await client.call('chat_with_images', { message: '', session_id });
        assert.deepEqual(more.structured['structured'], { open: true, title: 'Save as' });
      });

      test('choices whose deadline came are weighed by the call that goes on', async () => {
        const unseen = file(`${kind.replace(' ', '-')}-choices`);
        await draw(unseen, `#1${KINDS.indexOf(kind)}3311`);
        const first = await client.call('describe_image', {
          image: unseen,
          question: 'encode takes 1100 ms, prefill takes 300 ms',
          choices: ['open', 'shut', 'ajar!'],
        });
        assert.deepEqual([first.structured['truncated'], first.structured['choices']], [true, undefined]);
        const { session_id } = first.structured;
        const more = await client.call('chat_with_images', { message: '', session_id });
        assert.equal(more.structured['truncated'], false);
        assert.deepEqual(
          more.structured['choices'].map(({ text }: { text: string }) => text),
          ['open', 'shut', 'ajar!'],
        );
      });

      test('a session keeps its images and history', async () => {
        const first = await client.call('chat_with_images', {
          message: 'What is this?',
          images: [file('other')],
        });
        const { session_id } = first.structured;
        assert.match(session_id, /^[0-9a-f]{32}$/, '128 random bits');
        const second = await client.call('chat_with_images', { message: 'And now?', session_id });
        assert.match(second.structured['answer'], /And now\? \(after 1 answers\)/);
        assert.equal(second.structured['cache'].image_tokens_reused, 64, 'cache proves the reuse');
        assert.equal(second.structured['session_id'], session_id);
        const third = await client.call('chat_with_images', {
          message: 'Compare',
          session_id,
          images: [file('red')],
        });
        assert.equal(third.structured['images'].length, 2);
      });

      test('fork leaves its parent as it was', async () => {
        const { session_id } = (
          await client.call('chat_with_images', { message: 'One', images: [file('red')] })
        ).structured;
        const fork = await client.call('chat_with_images', { message: 'Two', session_id, fork: true });
        assert.notEqual(fork.structured['session_id'], session_id);
        assert.match(fork.structured['answer'], /after 1 answers/);
        const parent = await client.call('chat_with_images', { message: 'Three', session_id });
        assert.match(parent.structured['answer'], /after 1 answers/);
      });

      test('an unknown session_id is a tool error that says what to do', async () => {
        const { isError, code, text } = await client.call('chat_with_images', {
          message: 'x',
          session_id: '0'.repeat(32),
        });
        assert.ok(isError);
        assert.equal(code, 'SESSION_NOT_FOUND');
        assert.match(text, /Start a new one/);
      });

      for (const [stage, question] of [
        ['prefill', 'prefill takes 5000 ms'],
        ['decode', 'count to 500, words take 20 ms'],
      ] as const) {
        test(`cancel during ${stage} reaches the engine and spoils nothing`, async () => {
          const { session_id } = (
            await client.call('chat_with_images', { message: 'Hello', images: [file('red')] })
          ).structured;
          const earlier = await cancelledSoFar(client);
          const controller = new AbortController();
          const begun = performance.now();
          const call = client.call(
            'chat_with_images',
            { message: question, session_id },
            { signal: controller.signal },
          );
          setTimeout(() => controller.abort(), 300);
          await assert.rejects(call);
          while ((await cancelledSoFar(client)) === earlier) {
            assert.ok(
              performance.now() - begun < DEADLINE_MS - 200,
              'the engine heard of it before its deadline',
            );
            await sleep(20);
          }
          const next = await client.call('chat_with_images', { message: 'Still there?', session_id });
          assert.match(
            next.structured['answer'],
            /after 1 answers/,
            'the cancelled question is not in the history',
          );
        });
      }

      test('the deadline returns what there is, and the answer can be continued to its end', async () => {
        const begun = performance.now();
        const first = await client.call('describe_image', {
          image: file('red'),
          question: 'count to 60, words take 40 ms',
        });
        assert.ok(performance.now() - begun < DEADLINE_MS + 700);
        assert.equal(first.structured['truncated'], true);
        assert.equal(first.structured['stop_reason'], 'deadline');
        assert.match(first.structured['next'], /chat_with_images/);
        const { session_id } = first.structured;
        let whole = first.structured['answer'] as string;
        for (let round = 0, more = true; more; round++) {
          assert.ok(round < 6, 'it comes to an end');
          const { structured } = await client.call('chat_with_images', { message: '', session_id });
          whole += structured['answer'];
          more = structured['truncated'];
        }
        assert.equal(whole, Array.from({ length: 60 }, (_, index) => index + 1).join(' '));
        const over = await client.call('chat_with_images', { message: '', session_id });
        assert.equal(over.code, 'INVALID_ARGUMENT');
      });

      test('max_tokens cuts, and describe_image continues in the same session', async () => {
        const first = await client.call('describe_image', {
          image: file('red'),
          question: 'count to 9',
          max_tokens: 4,
        });
        assert.equal(first.structured['answer'], '1 2 3 4');
        assert.equal(first.structured['stop_reason'], 'length');
        const { session_id } = first.structured;
        const more = await client.call('describe_image', { image: file('red'), session_id, max_tokens: 2 });
        assert.equal(more.structured['answer'], ' 5 6');
        const rest = await client.call('describe_image', { image: file('red'), session_id });
        assert.equal(rest.structured['answer'], ' 7 8 9');
        assert.equal(rest.structured['truncated'], false);
      });

      test('progress rises strictly and names real stages', async () => {
        const steps: Step[] = [];
        // A picture nobody has seen, so that there is something to encode.
        await draw(file(kind.replace(' ', '-')), `#0${KINDS.indexOf(kind)}3311`);
        await client.call(
          'chat_with_images',
          {
            message: 'count to 8, encode takes 60 ms, prefill takes 60 ms, words take 60 ms',
            images: [file(kind.replace(' ', '-'))],
          },
          { onProgress: (step) => steps.push(step) },
        );
        for (const [index, step] of steps.entries())
          assert.ok(index === 0 || step.progress > steps[index - 1]!.progress);
        assert.deepEqual(
          [...new Set(steps.map(({ message }) => message?.split(',')[0]))].filter(
            (stage) => stage !== 'loading the model',
          ),
          ['waiting for other calls', 'reading the image', 'reading the question', 'answering'],
        );
      });

      test('calls at once: other sessions go on, those of one session are answered in their order', async () => {
        const slow = 'count to 6, words take 40 ms';
        const { session_id } = (
          await client.call('chat_with_images', { message: 'Hi', images: [file('red')] })
        ).structured;
        const ended: string[] = [];
        const ask = async (message: string, more: object) => {
          const reply = await client.call('chat_with_images', { message, ...more });
          ended.push(message);
          return reply;
        };
        const [, quick, second, third] = await Promise.all([
          ask(slow, { session_id }),
          ask('Quick', { images: [file('blue')] }),
          ask('Me too', { session_id }),
          ask('And me', { session_id: ` ${session_id}\n` }),
        ]);
        assert.equal(quick.isError, false);
        assert.match(second.structured['answer'], /Me too \(after 2 answers\)/);
        assert.match(third.structured['answer'], /And me \(after 3 answers\)/);
        assert.deepEqual(
          ended.filter((message) => message !== 'Quick'),
          [slow, 'Me too', 'And me'],
        );
      });

      test('a call whose turn does not come before its deadline says so, and the next one has its turn', async () => {
        const { session_id } = (
          await client.call('chat_with_images', { message: 'Hi', images: [file('red')] })
        ).structured;
        const [, late] = await Promise.all([
          client.call('chat_with_images', { message: 'deaf for 1900 ms', session_id }),
          sleep(50).then(() => client.call('chat_with_images', { message: 'Me too', session_id })),
        ]);
        assert.equal(late.code, 'SESSION_BUSY');
        const next = await client.call('chat_with_images', { message: 'Now?', session_id });
        assert.equal(next.isError, false, next.text);
      });

      test('prompts, resources and completions', async () => {
        const { prompts } = await client.raw.listPrompts();
        assert.deepEqual(
          prompts.map(({ name }) => name),
          ['inspect_ui', 'before_and_after', 'read_error', 'extract_table'],
        );
        const { messages } = await client.raw.getPrompt({
          name: 'extract_table',
          arguments: { image: '/a.png', format: 'json' },
        });
        assert.match((messages[0]!.content as { text: string }).text, /\/a\.png as json/);
        const { structured } = await client.call('describe_image', { image: file('red') });
        const { image_id } = structured['images'][0];
        const { completion } = await client.raw.complete({
          ref: { type: 'ref/prompt', name: 'inspect_ui' },
          argument: { name: 'image', value: 'img_' },
        });
        assert.equal(completion.values[0], image_id, 'the image seen last comes first');
        const formats = await client.raw.complete({
          ref: { type: 'ref/prompt', name: 'extract_table' },
          argument: { name: 'format', value: 'm' },
        });
        assert.deepEqual(formats.completion.values, ['markdown']);
        const { contents } = await client.raw.readResource({ uri: `afterimage://image/${image_id}` });
        assert.equal(contents[0]!.mimeType, 'image/png');
        await assert.rejects(
          client.raw.readResource({ uri: 'afterimage://image/img_00000000000000000000000000000000' }),
        );
      });
    });
  }
}
