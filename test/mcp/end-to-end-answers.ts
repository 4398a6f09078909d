// What each tool answers, over any transport.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Connected } from './connected.js';

export function toolAnswers(at: Connected): void {
  const { file } = at;
  test('describe_image answers, names the image and reports sizes', async () => {
    const { structured, text } = await at.client.call('describe_image', { image: file('red') });
    assert.match(structured['answer'], /Describe the image/);
    assert.ok(text.startsWith(structured['answer']), 'content carries the same answer');
    assert.deepEqual(
      { ...structured['images'][0], image_id: undefined },
      { image_id: undefined, width: 320, height: 200, viewed_width: 256, viewed_height: 128 },
    );
    const again = await at.client.call('describe_image', {
      image: structured['images'][0].image_id,
      question: 'What color?',
    });
    assert.match(again.structured['answer'], /What color\?/);
    assert.equal(again.structured['cache'].image_tokens_reused, again.structured['cache'].image_tokens);
  });

  test('a region is cut out before the model sees it, and reported', async () => {
    const region = { x: 40, y: 60, width: 60, height: 24 };
    const { structured } = await at.client.call('describe_image', { image: file('red'), region });
    assert.deepEqual(structured['images'][0].region, region);
    const other = await at.client.call('describe_image', {
      image: file('blue'),
      region: { ...region, x: 200 },
    });
    assert.equal(other.structured['cache'].image_tokens, 64);
  });

  test('ocr reads with the text reader: text, lines and words in pixels of the original', async () => {
    const text = await at.client.call('ocr', { image: file('red') });
    assert.match(text.structured['answer'], /^First line\nSecond \[\?\] line\n/);
    assert.equal(text.structured['model'], 'none');
    assert.equal(text.structured['lines'], undefined);
    const region = { x: 20, y: 100, width: 200, height: 100 };
    const { structured } = await at.client.call('ocr', { image: file('red'), format: 'words', region });
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
    const { structured } = await at.client.call('ocr', { image: file('red'), find: 'FIRST  line' });
    const [match] = structured['matches'];
    assert.deepEqual([match.text, match.score, match.x, match.y], ['First line', 1, 0, 0]);
    assert.deepEqual(match.center, { x: match.width / 2, y: Math.floor(match.height / 2) });
    const none = await at.client.call('ocr', { image: file('red'), find: 'Nowhere' });
    assert.deepEqual(none.structured['matches'], []);
    assert.match(none.structured['answer'], /does not stand/);
  });

  test('ocr by the model, where it is asked to', async () => {
    const model = { image: file('red'), method: 'model' };
    const text = await at.client.call('ocr', { ...model, languages: ['German'] });
    assert.equal(text.structured['answer'], 'First line\nSecond [?] line');
    const lines = await at.client.call('ocr', {
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
      const plain = await at.client.call(tool, args);
      assert.doesNotMatch(plain.structured['answer'], /Text:/);
      const { structured } = await at.client.call(tool, { ...args, reading: true });
      assert.match(
        structured['answer'],
        /Text:\n0 0 First line\n0 50 Second \[\?\] line\n0 75 .*\nWhat is this\?/,
      );
    }
  });

  test('compare_images names changed text, and nothing where none changed', async () => {
    const { structured } = await at.client.call('compare_images', {
      image_a: file('red'),
      image_b: file('blue'),
    });
    const [change, ...others] = structured['text_changes'];
    assert.deepEqual(others, []);
    assert.match(change.old, /^Pixels /);
    assert.match(change.new, /^Pixels /);
    assert.deepEqual(change.before, change.after);
    const same = await at.client.call('compare_images', { image_a: file('red'), image_b: file('red') });
    assert.deepEqual(same.structured['text_changes'], []);
  });

  test('compare_images answers equal pixels without the model', async () => {
    const { structured } = await at.client.call('compare_images', {
      image_a: file('red'),
      image_b: file('red'),
    });
    assert.equal(structured['identical'], true);
    assert.equal(structured['model'], 'none');
    assert.match(structured['answer'], /identical/);
  });

  test('compare_images does not ask the model where nothing changed by its own measure', async () => {
    const { structured } = await at.client.call('compare_images', {
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
    const { structured, content } = await at.client.call('compare_images', {
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
    assert.ok(content.some(({ type, uri }) => type === 'resource_link' && uri === structured['difference']));
    assert.ok(content.some(({ type, mimeType }) => type === 'image' && mimeType === 'image/png'));
    const { contents } = await at.client.raw.readResource({ uri: structured['difference'] });
    assert.ok(
      Buffer.from((contents[0] as { blob: string }).blob, 'base64')
        .subarray(1, 4)
        .equals(Buffer.from('PNG')),
    );
  });
}
