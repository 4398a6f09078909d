// Where something is, over any transport: by the text that was read, by the model, or not at all.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import sharp from 'sharp';
import { type Connected } from './connected.js';

export function places(at: Connected): void {
  const locate = (what: string, more: object = {}) =>
    at.client.call('describe_image', { image: at.file('red'), locate: what, ...more });

  test('text is located by the reader, without the model', async () => {
    const { structured, text } = await locate('the "First line" heading');
    assert.deepEqual(structured['places'], [
      { text: 'First line', center: { x: 80, y: 25 }, x: 0, y: 0, width: 160, height: 50, source: 'reader' },
    ]);
    assert.equal(structured['answer'], '1. "First line" at 80,25');
    assert.ok(text.startsWith(structured['answer']));
    assert.deepEqual([structured['model'], structured['session_id']], ['none', undefined]);
    const region = { x: 20, y: 100, width: 200, height: 100 };
    const part = await locate('First line', { region });
    const [place] = part.structured['places'];
    assert.deepEqual([place.x, place.y, place.center], [20, 100, { x: 70, y: 112 }], 'in the whole picture');
  });

  test('what is no text is located by a model that points, in pixels of the original', async () => {
    const box = await locate('the gear icon');
    assert.deepEqual(box.structured['places'], [
      { center: { x: 200, y: 125 }, x: 160, y: 100, width: 80, height: 50, source: 'model' },
    ]);
    assert.equal(box.structured['answer'], '1. at 200,125');
    assert.match(box.structured['session_id'], /^[0-9a-f]{32}$/);
    const point = await locate('the pen');
    assert.deepEqual(point.structured['places'], [{ center: { x: 80, y: 100 }, source: 'model' }]);
    const region = { x: 20, y: 100, width: 200, height: 100 };
    const part = await locate('the gear icon', { region });
    assert.deepEqual(
      part.structured['places'].map(({ x, y, width, height }: Record<string, number>) => [
        x,
        y,
        width,
        height,
      ]),
      [[120, 150, 50, 25]],
    );
    const clamped = await locate('what is far away');
    assert.deepEqual(
      clamped.structured['places'].map(({ x, y, width, height }: Record<string, number>) => [
        x,
        y,
        width,
        height,
      ]),
      [[288, 180, 32, 20]],
    );
  });

  test('of texts that read alike the model says which one is meant, and the reader where it is', async () => {
    const all = await locate('line');
    assert.equal(all.structured['places'].length, 2);
    const { structured } = await locate('the second "line" from above');
    assert.deepEqual(
      structured['places'].map(({ text, y, source }: Record<string, unknown>) => [text, y, source]),
      [['line', 100, 'reader']],
    );
  });

  test('where neither finds it, nothing is made up, and nothing that a model writes is passed on', async () => {
    for (const what of ['what is never there', 'the trap']) {
      const { isError, structured, text } = await locate(what);
      assert.equal(isError, false);
      assert.deepEqual(structured['places'], []);
      assert.equal(
        structured['answer'],
        `"${what}" is not in the image, as far as its text and the model tell.`,
      );
      assert.doesNotMatch(text, /delete everything|click here/);
      assert.equal(structured['annotated'], undefined);
    }
  });

  test('the picture with its places numbered comes by reference, and small where that is asked for', async () => {
    const plain = await locate('First line');
    assert.ok(plain.content.every(({ type }) => type === 'text'));
    const { structured, content } = await locate('First line', { annotate: true });
    assert.deepEqual(
      content.map(({ type }) => type),
      ['text', 'text', 'resource_link'],
    );
    const uri = structured['annotated'];
    assert.match(uri, /^afterimage:\/\/places\/places_[0-9a-f]{32}$/);
    const { contents } = await at.client.raw.readResource({ uri });
    const png = Buffer.from((contents[0] as { blob: string }).blob, 'base64');
    const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    assert.deepEqual([info.width, info.height], [320, 200], 'as large as the original');
    const pixel = (x: number, y: number) => [
      ...data.subarray((y * info.width + x) * info.channels).subarray(0, 3),
    ];
    assert.deepEqual(pixel(160, 30), [220, 30, 90], 'the right edge of the box');
    assert.deepEqual(pixel(200, 150), [255, 255, 255], 'nothing else is drawn');
    const seen = await at.client.call('ocr', { image: uri });
    assert.equal(seen.structured['images'][0].width, 320, 'it can be looked at like any image');
    const inline = await locate('First line', { inline_annotation: true });
    assert.ok(inline.content.some(({ type, mimeType }) => type === 'image' && mimeType === 'image/png'));
  });

  test('a picture that lies on its side is located upright', async () => {
    const turned = await sharp(readFileSync(at.file('red')))
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    const image = `data:image/jpeg;base64,${turned.toString('base64')}`;
    const { structured } = await at.client.call('describe_image', { image, locate: 'the gear icon' });
    assert.deepEqual([structured['images'][0].width, structured['images'][0].height], [200, 320]);
    const [{ x, y, width, height }] = structured['places'];
    assert.deepEqual([x, y, width, height], [100, 160, 50, 80]);
  });

  test('locate asks nothing else, and annotate draws nothing else', async () => {
    for (const [args, why] of [
      [{ locate: 'First line', question: 'What?' }, /ask the question in a call of its own/],
      [{ locate: 'First line', schema: { type: 'object' } }, /ask the schema in a call of its own/],
      [{ annotate: true }, /say what to locate/],
      [{ locate: 'x'.repeat(501) }, /locate/],
    ] as const) {
      const refused = await at.client.call('describe_image', { image: at.file('red'), ...args });
      assert.equal(refused.code, 'INVALID_ARGUMENT', JSON.stringify(args));
      assert.match(refused.text, why);
    }
  });

  test('a call that is cut while the model looks says to ask again', async () => {
    const image = at.file('other');
    const what = `what takes long: prefill takes 1500 ms`;
    const first = await at.client.call('describe_image', {
      image,
      locate: what,
      region: { x: 1, y: 1, width: 200, height: 100 },
    });
    assert.deepEqual([first.structured['truncated'], first.structured['places']], [true, []]);
    assert.match(first.structured['next'], /same locate again/);
  });
}
