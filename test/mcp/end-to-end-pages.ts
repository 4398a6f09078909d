// Documents over any transport: pages as images, each looked at once.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { KINDS } from './clients.js';
import { box, pdfFile } from '../image/pdf-files.js';
import type { Connected } from './connected.js';

export function pages(at: Connected): void {
  /** Pages that no other test has seen, each of a grey of its own. */
  const document = (name: string, count: number): { file: string; bytes: Buffer } => {
    const shade = (page: number) => 0.2 + page / 10 + KINDS.indexOf(at.kind) / 100;
    const sketches = Array.from({ length: count }, (_, page) => ({
      mediaBox: [0, 0, 60, 40] as [number, number, number, number],
      content: box([shade(page), shade(page), 0], 0, 0, 60, 40),
    }));
    const bytes = pdfFile(sketches);
    const file = at.file(`${name}-${at.kind.replace(' ', '-')}`).replace(/png$/, 'pdf');
    writeFileSync(file, bytes);
    return { file, bytes };
  };

  test('the first page of a document is an image, and further questions cost no second look', async () => {
    const { file } = document('questions', 3);
    // Starts the thread that draws pages, which takes long under tsx: the deadline is the tests' own matter.
    await at.client.call('ocr', { image: file });
    const first = await at.client.call('describe_image', { image: file });
    const [{ image_id, page, pages: of, width }] = first.structured['images'];
    assert.deepEqual([page, of, width], [1, 3, 240]);
    assert.equal(first.structured['cache'].image_tokens_reused, 0);
    for (const image of [file, `${file}#page=1`, image_id]) {
      const { structured } = await at.client.call('describe_image', { image, question: `And ${image}?` });
      assert.equal(structured['cache'].image_tokens_reused, 64);
      assert.equal(structured['images'][0].image_id, image_id);
    }
  });

  test('a range is several images of one question, in their order', async () => {
    const { file, bytes } = document('range', 4);
    await at.client.call('ocr', { image: file, page: '2-4' });
    const described = await at.client.call('describe_image', { image: file, page: '2-4', question: 'What?' });
    const seen = described.structured['images'];
    assert.deepEqual(
      seen.map(({ page }: { page: number }) => page),
      [2, 3, 4],
    );
    assert.equal(described.structured['cache'].image_tokens, 3 * 64);
    const { session_id } = described.structured;
    const again = await at.client.call('describe_image', {
      image: file,
      page: '2-4',
      question: 'And?',
      session_id,
    });
    assert.equal(again.structured['cache'].image_tokens, 3 * 64, 'they are not shown a second time');
    const chat = await at.client.call('chat_with_images', {
      images: [`${file}#page=4`, at.file('red'), file],
      message: 'Which is which?',
    });
    assert.deepEqual(
      chat.structured['images'].map(({ page }: { page?: number }) => page),
      [4, undefined, 1],
    );
    assert.equal(chat.structured['images'][0].image_id, seen[2].image_id);
    const data = `data:application/pdf;base64,${bytes.toString('base64')}`;
    const sent = await at.client.call('chat_with_images', { images: [data], page: '2-3', message: 'What?' });
    assert.equal(sent.structured['images'][1].image_id, seen[1].image_id);
  });

  test('ocr reads page after page, and says on which something stands', async () => {
    const { file } = document('read', 3);
    const { structured } = await at.client.call('ocr', { image: file, page: '2-3', format: 'lines' });
    assert.match(structured['answer'], /^First line\n.*\n.*\n\nFirst line\n/);
    assert.deepEqual(
      structured['lines'].map(({ page }: { page: number }) => page),
      [2, 2, 2, 3, 3, 3],
    );
    const found = await at.client.call('ocr', { image: file, page: '2-3', find: 'first line' });
    assert.match(
      found.structured['answer'],
      /^"First line" at 60,20 on page 2\n"First line" at 60,20 on page 3$/,
    );
    const one = await at.client.call('ocr', { image: file, page: 3, format: 'lines' });
    assert.equal(one.structured['lines'][0].page, undefined);
    const located = await at.client.call('describe_image', { image: file, page: '3', locate: 'First line' });
    assert.deepEqual(located.structured['places'][0].center, { x: 60, y: 20 });
    assert.equal(located.structured['images'][0].page, 3);
  });

  test('pages are compared like images', async () => {
    const { file } = document('compared', 2);
    const { structured } = await at.client.call('compare_images', {
      image_a: file,
      image_b: `${file}#page=2`,
      threshold: 0,
    });
    assert.equal(structured['changed_share'], 1);
    assert.deepEqual(
      structured['images'].map(({ page }: { page: number }) => page),
      [1, 2],
    );
  });

  test('what cannot be had of a document is refused in a sentence', async () => {
    const { file } = document('refused', 2);
    const broken = file.replace('refused', 'broken');
    writeFileSync(broken, '%PDF-1.7\nnothing more');
    for (const [tool, args, code, why] of [
      ['describe_image', { image: file, page: '3' }, 'PAGE_NOT_FOUND', /has 2 pages, so there is no page 3/],
      ['ocr', { image: file, page: '1-6' }, 'TOO_MANY_IMAGES', /at most 5/],
      ['ocr', { image: file, page: 'last' }, 'INVALID_ARGUMENT', /names no page/],
      ['ocr', { image: file, page: '1-2', method: 'model' }, 'INVALID_ARGUMENT', /One page/],
      ['describe_image', { image: file, page: '1-2', locate: 'x' }, 'INVALID_ARGUMENT', /One page/],
      ['describe_image', { image: at.file('red'), page: '2' }, 'INVALID_ARGUMENT', /has no pages/],
      ['compare_images', { image_a: `${file}#page=1-2`, image_b: file }, 'INVALID_ARGUMENT', /One page/],
      [
        'chat_with_images',
        { images: [file, file, file], page: '1-2', message: 'x' },
        'TOO_MANY_IMAGES',
        /at most 5 images and got 6/,
      ],
      ['describe_image', { image: broken }, 'DOCUMENT_UNREADABLE', /damaged or no whole PDF/],
    ] as const) {
      const refused = await at.client.call(tool, args);
      assert.equal(refused.code, code, refused.text);
      assert.match(refused.text, why);
    }
  });
}
