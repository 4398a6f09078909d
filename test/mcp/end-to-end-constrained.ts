// Answers that programs can use, over any transport: one of several choices, or JSON by a schema.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KINDS } from './clients.js';
import { draw } from './pictures.js';
import { type Connected } from './connected.js';

export function constrainedAnswers(at: Connected): void {
  const { file, kind } = at;
  test('choices come with their probabilities, best first, and are refused where there is nothing to choose', async () => {
    const ask = (tool: string, given: object) =>
      at.client.call(tool, {
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
      const next = await at.client.call('chat_with_images', { message: 'And now?', session_id });
      assert.match(next.structured['answer'], /And now\? \(after 1 answers\)/, 'it stands in the history');
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
    const unasked = await at.client.call('describe_image', { image: file('red'), choices: ['yes', 'no'] });
    assert.match(unasked.text, /Choices answer a question/);
  });

  test('an answer by a schema comes as the value that it is, too, and what cannot be held is refused by name', async () => {
    const schema = {
      type: 'object',
      properties: { open: { type: 'boolean' }, title: { type: 'string' } },
      required: ['open'],
    };
    const ask = (tool: string, given: object) =>
      at.client.call(tool, {
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
    const more = await at.client.call('chat_with_images', { message: '', session_id, schema });
    assert.match(more.text, /A schema belongs to a question/);
  });

  test('an answer by a schema that the deadline cut is whole with the call that goes on', async () => {
    const unseen = file(`${kind.replace(' ', '-')}-schema`);
    await draw(unseen, `#2${KINDS.indexOf(kind)}3311`);
    const first = await at.client.call('describe_image', {
      image: unseen,
      question: `Is the dialog open as JSON? Asks ${kind}, prefill takes 60000 ms once`,
      schema: { type: 'object' },
    });
    assert.deepEqual([first.structured['truncated'], first.structured['structured']], [true, undefined]);
    const { session_id } = first.structured;
    const more = await at.client.call('chat_with_images', { message: '', session_id });
    assert.deepEqual(more.structured['structured'], { open: true, title: 'Save as' });
  });

  test('choices whose deadline came are weighed by the call that goes on', async () => {
    const unseen = file(`${kind.replace(' ', '-')}-choices`);
    await draw(unseen, `#1${KINDS.indexOf(kind)}3311`);
    const first = await at.client.call('describe_image', {
      image: unseen,
      question: `Asks ${kind}, prefill takes 60000 ms once`,
      choices: ['open', 'shut', 'ajar!'],
    });
    assert.deepEqual([first.structured['truncated'], first.structured['choices']], [true, undefined]);
    const { session_id } = first.structured;
    const more = await at.client.call('chat_with_images', { message: '', session_id });
    assert.equal(more.structured['truncated'], false);
    assert.deepEqual(
      more.structured['choices'].map(({ text }: { text: string }) => text),
      ['open', 'shut', 'ajar!'],
    );
  });
}
