// Pages of documents as pictures: what is drawn, that it is drawn once, and what is refused by which code.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import { AfterimageError } from '../../src/errors.js';
import { createImageContext, loadImage, loadImages } from '../../src/image/load.js';
import { isPdf, pageRange, pdfPage, withPages } from '../../src/image/pdf-pages.js';
import type { RgbImage } from '../../src/image/rgb-image.js';
import { scratchFolder } from '../scratch-folder.js';
import { box, pdfFile, text } from './pdf-files.js';

const folder = scratchFolder('pdf');
const context = () => createImageContext({ folders: [folder] });
const RED = [1, 0, 0];
const BLUE = [0, 0, 1];

function written(name: string, bytes: Uint8Array): string {
  writeFileSync(`${folder}/${name}`, bytes);
  return `${folder}/${name}`;
}

const draw = async (bytes: Uint8Array, page = 1, mostPixels = 1e8) =>
  pdfPage({ bytes, name: 'x.pdf', page, mostPixels });

/** The colour at a share of the width and of the height, from the top left. */
function at({ width, height, data }: RgbImage, x: number, y: number): number[] {
  const from = (Math.floor(y * height) * width + Math.floor(x * width)) * 3;
  return [...data.subarray(from, from + 3)];
}

const coded = (code: string, says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof AfterimageError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, says);
  return true;
};

const white = [255, 255, 255];
const corner = box(RED, 0, 150, 100, 50); // the upper left of 300 × 200 points

describe('what is drawn', () => {
  test('a page in its proportions, with enough pixels to read and no more than are allowed', async () => {
    const { count, image } = await draw(pdfFile([{ content: corner }]));
    assert.deepEqual([count, image.width, image.height], [1, 1200, 800]);
    assert.deepEqual(
      [at(image, 0.1, 0.1), at(image, 0.5, 0.1), at(image, 0.1, 0.5)],
      [[255, 0, 0], white, white],
    );
    for (const [mediaBox, limit, size] of [
      [[0, 0, 595, 842], 1e8, [1246, 1764]],
      [[0, 0, 2384, 3370], 1e8, [2378, 3362]],
      [[0, 0, 595, 842], 500_000, [594, 841]],
      [[0, 0, 14400, 14400], 1e8, [2828, 2828]],
      [[0, 0, 0, 0], 1e8, undefined],
      [[0, 0, 1, 14400], 1e8, [1, 16384]],
    ] as const) {
      const page = await draw(pdfFile([{ mediaBox: [...mediaBox], content: '' }]), 1, limit);
      if (size) assert.deepEqual([page.image.width, page.image.height], size, mediaBox.join());
    }
  });

  test('turned as the page says', async () => {
    const places = { 90: [0.9, 0.1], 180: [0.9, 0.9], 270: [0.1, 0.9] } as const;
    for (const [rotate, [x, y]] of Object.entries(places)) {
      const { image } = await draw(pdfFile([{ content: corner, rotate: Number(rotate) }]));
      assert.equal(image.width > image.height, rotate === '180', rotate);
      assert.deepEqual(at(image, x, y), [255, 0, 0], rotate);
    }
  });

  test('only what the crop box shows', async () => {
    const { image } = await draw(pdfFile([{ content: corner, cropBox: [0, 150, 100, 200] }]));
    assert.equal(image.width, 2 * image.height);
    assert.deepEqual(
      [at(image, 0.05, 0.05), at(image, 0.9, 0.9)],
      [
        [255, 0, 0],
        [255, 0, 0],
      ],
    );
  });

  test('what is transparent lies on white', async () => {
    const { image } = await draw(pdfFile([{ content: `/Half gs ${corner}` }]));
    assert.deepEqual(at(image, 0.1, 0.1), [255, 128, 128]);
  });

  test('text is smoothed in grey, not in colours', async () => {
    const { image } = await draw(pdfFile([{ content: text('Hamburgefonts', 20, 90, 30) }]));
    let dark = 0;
    for (let i = 0; i < image.data.length; i += 3) {
      const [r, g, b] = image.data.subarray(i, i + 3);
      assert.ok(r === g && g === b);
      if (r! < 128) dark++;
    }
    assert.ok(dark > 1000);
  });

  test('fields of a form with what is written in them', async () => {
    const field = [
      '<< /Type /Annot /Subtype /Widget /FT /Tx /T (a) /V (x) /Rect [0 150 100 200] /F 4 /AP << /N 6 0 R >> >>',
      `<< /Type /XObject /Subtype /Form /BBox [0 0 100 50] /Length ${box(BLUE, 0, 0, 100, 50).length} >>\nstream\n${box(BLUE, 0, 0, 100, 50)}\nendstream`,
    ];
    const bytes = pdfFile([{ content: '' }], '/AcroForm << /Fields [5 0 R] >>', field);
    const filled = Buffer.from(
      bytes.toString('latin1').replace('/Contents', '/Annots [5 0 R] /Contents'),
      'latin1',
    );
    const { image } = await draw(filled);
    assert.deepEqual(at(image, 0.1, 0.1), [0, 0, 255]);
  });
});

describe('documents as images', () => {
  const three = pdfFile([
    { content: corner },
    { content: box(BLUE, 0, 0, 300, 200) },
    { content: text('Third', 40, 100) },
  ]);

  test('each page is an image of its own, drawn once, and known by its id', async () => {
    const file = written('three.pdf', three);
    const room = context();
    const [first] = await loadImages(file, room);
    assert.deepEqual(first!.page, { number: 1, of: 3 });
    const all = await loadImages(file, room, { page: '1-3' });
    assert.deepEqual(
      all.map(({ page }) => page!.number),
      [1, 2, 3],
    );
    assert.equal(all[0]!.imageId, first!.imageId);
    assert.equal(new Set(all.map(({ imageId }) => imageId)).size, 3);
    assert.equal(all[1]!.name, `${file}, page 2`);
    const known = await loadImage(all[1]!.imageId, room);
    assert.equal(known.pixelHash, all[1]!.pixelHash);
    assert.deepEqual(at(await known.pixels(), 0.5, 0.5), [0, 0, 255]);
    const begun = performance.now();
    for (let i = 0; i < 20; i++) await loadImages(file, room, { page: '1-3' });
    assert.ok(performance.now() - begun < 1000, 'nothing is drawn again');
    // Another program, later: the same pixels, so the same identity.
    const again = await loadImages(file, context(), { page: '2' });
    assert.equal(again[0]!.imageId, all[1]!.imageId);
  });

  test('pages may stand in the reference, and data is a document too', async () => {
    const file = written('ref.pdf', three);
    const room = context();
    for (const reference of [
      `${file}#page=2`,
      `"${file}#page=2"`,
      `file://${file}#page=2`,
      `${file}#pages=2-2`,
    ]) {
      const [page, ...more] = await loadImages(reference, room);
      assert.deepEqual([page!.page, more.length], [{ number: 2, of: 3 }, 0], reference);
    }
    assert.equal((await loadImages(`${file}#page=2-3`, room)).length, 2);
    assert.equal((await loadImages(`${file}#page=1`, room, { page: '3' }))[0]!.page!.number, 3);
    for (const type of ['application/pdf', 'application/octet-stream', 'image/png']) {
      const data = `data:${type};base64,${three.toString('base64')}`;
      assert.deepEqual((await loadImages(data, room, { page: '2' }))[0]!.page, { number: 2, of: 3 }, type);
    }
    assert.deepEqual((await loadImages(three.toString('base64'), room))[0]!.page, { number: 1, of: 3 });
    const odd = written('odd#page=2', three);
    assert.deepEqual((await loadImages(odd, room))[0]!.page, { number: 1, of: 3 }, 'a file is itself first');
  });

  test('a picture has no pages', async () => {
    const png = await sharp({ create: { width: 40, height: 40, channels: 3, background: '#fff' } })
      .png()
      .toBuffer();
    const file = written('plain.png', png);
    assert.equal((await loadImages(file, context(), { page: '1' })).length, 1);
    await assert.rejects(
      loadImages(file, context(), { page: '2' }),
      coded('INVALID_ARGUMENT', /has no pages/),
    );
  });

  test('what names pages, and what does not', () => {
    for (const [said, first, last] of [
      ['3', 3, 3],
      [' 2-4 ', 2, 4],
      ['2–4', 2, 4],
      ['pages 2 to 4', 2, 4],
      ['page 7', 7, 7],
      ['p.7', 7, 7],
      ['1..5', 1, 5],
    ] as const)
      assert.deepEqual(pageRange(said), { first, last }, said);
    for (const said of ['', '0', '-1', '4-2', 'all', '1,3', '1.5', '9999999', 'x'.repeat(1000)])
      assert.throws(() => pageRange(said), coded('INVALID_ARGUMENT', /names no page/), said);
    assert.throws(() => pageRange('1-6'), coded('TOO_MANY_IMAGES', /at most 5/));
    assert.deepEqual(withPages('/a/b.pdf#page=3'), { reference: '/a/b.pdf', page: '3' });
    assert.deepEqual(withPages('/a/b.png'), { reference: '/a/b.png' });
    assert.equal(isPdf(Buffer.from('\r\n%PDF-1.4')), true);
    assert.equal(isPdf(Buffer.from('text about %PDF-1.4')), false);
  });
});

describe('what is refused', () => {
  const one = pdfFile([{ content: corner }]);
  const refusals: [what: string, bytes: () => Uint8Array, page: number, code: string, says: RegExp][] = [
    [
      'a password',
      () => readFileSync(new URL('./fixtures/locked.pdf', import.meta.url)),
      1,
      'DOCUMENT_LOCKED',
      /protected by a password/,
    ],
    ['a page that is not there', () => one, 2, 'PAGE_NOT_FOUND', /has one page, so there is no page 2/],
    ['no pages', () => pdfFile([]), 1, 'DOCUMENT_UNREADABLE', /no pages|damaged/],
    [
      'nothing but its mark',
      () => Buffer.from('%PDF-1.7\n'),
      1,
      'DOCUMENT_UNREADABLE',
      /damaged or no whole PDF/,
    ],
    [
      'garbage',
      () => Buffer.concat([Buffer.from('%PDF-1.7\n'), Buffer.alloc(5000, 7)]),
      1,
      'DOCUMENT_UNREADABLE',
      /damaged/,
    ],
    [
      'a form that only Adobe shows',
      () => pdfFile([{ content: '' }], '/NeedsRendering true /AcroForm << /Fields [] /XFA (a) >>'),
      1,
      'DOCUMENT_UNSUPPORTED',
      /XFA/,
    ],
  ];
  for (const [what, bytes, page, code, says] of refusals)
    test(what, () => assert.rejects(draw(bytes(), page), coded(code, says)));

  test('by way of a tool’s reference, each with its name', async () => {
    const file = written('short.pdf', one);
    await assert.rejects(loadImages(file, context(), { page: '4-6' }), coded('PAGE_NOT_FOUND', /short\.pdf/));
    await assert.rejects(loadImages(file, context(), { page: '1-2' }), coded('PAGE_NOT_FOUND', /no page 2/));
    await assert.rejects(
      loadImages(written('empty.pdf', Buffer.alloc(0)), context()),
      coded('IMAGE_UNREADABLE', /empty/),
    );
    const small = createImageContext({ folders: [folder], limits: { maxBytes: 100 } });
    await assert.rejects(loadImages(file, small), coded('IMAGE_TOO_LARGE', /--max-bytes/));
    await assert.rejects(loadImage(`${file}#page=1-2`, context()), coded('PAGE_NOT_FOUND', /no page 2/));
  });

  /** Each of so many boxes is blended into the whole page. */
  const endless = () => pdfFile([{ content: `/Half gs ${box(RED, 0, 0, 300, 200)}\n`.repeat(100_000) }]);

  test('a page that takes too long, and the next one is drawn', async () => {
    const request = { bytes: endless(), name: 'x.pdf', page: 1, mostPixels: 1e8 };
    await assert.rejects(pdfPage(request, { ms: 300 }), coded('DOCUMENT_TOO_COMPLEX', /more than 0\.3 s/));
    assert.equal((await draw(one)).count, 1);
  });

  test('a caller who goes ends the drawing, and this thread was free meanwhile', async () => {
    const controller = new AbortController();
    const bytes = endless();
    let turns = 0;
    const ticking = setInterval(() => turns++, 5);
    setTimeout(() => controller.abort(), 400);
    const begun = performance.now();
    const { signal } = controller;
    await assert.rejects(
      pdfPage({ bytes, name: 'x.pdf', page: 1, mostPixels: 1e8 }, { signal }),
      coded('CANCELLED', /cancelled/),
    );
    clearInterval(ticking);
    assert.ok(performance.now() - begun < 10_000);
    assert.ok(turns > 10, `${turns} turns`);
    assert.equal((await draw(one)).count, 1);
  });

  test('a page that takes more memory than a document may', async () => {
    // Half transparent groups in each other: a bitmap of the whole page for each.
    const levels = 24;
    const groups = Array.from({ length: levels }, (_, level) => {
      const content = level + 1 < levels ? '/Half gs /N Do' : box(RED, 0, 0, 14_400, 14_400);
      return (
        '<< /Type /XObject /Subtype /Form /BBox [0 0 14400 14400] /Group << /S /Transparency /I true >> ' +
        `/Resources << /XObject << /N ${level + 6} 0 R >> /ExtGState << /Half 4 0 R >> >> ` +
        `/Length ${content.length} >>\nstream\n${content}\nendstream`
      );
    });
    const bytes = pdfFile(
      [{ mediaBox: [0, 0, 14_400, 14_400], content: '/Half gs /Im Do', xobject: 5 }],
      '',
      groups,
    );
    await assert.rejects(draw(bytes), coded('DOCUMENT_TOO_COMPLEX', /more than 512 MB of memory/));
    assert.equal((await draw(one)).count, 1);
  });
});

test('damaged documents are drawn or refused, and hurt nobody', async () => {
  const jpeg = await sharp({ create: { width: 32, height: 32, channels: 3, background: '#808080' } })
    .jpeg()
    .toBuffer();
  const whole = pdfFile([
    {
      content: `${corner} q 100 0 0 100 0 0 cm /Im Do Q ${text('Words', 40, 100)}`,
      jpeg: { data: jpeg, width: 32, height: 32 },
    },
  ]);
  let seed = 7;
  const random = (below: number): number => (seed = (seed * 48271) % 2147483647) % below;
  let drawn = 0;
  for (let round = 0; round < 50; round++) {
    const bytes = Buffer.from(whole);
    for (let change = 0; change <= random(6); change++) bytes[8 + random(bytes.length - 8)] = random(256);
    const cut = random(4) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes;
    const request = { bytes: cut, name: 'x.pdf', page: 1, mostPixels: 100_000 };
    await pdfPage(request, { ms: 5000 }).then(
      () => drawn++,
      (error: unknown) => assert.ok(error instanceof AfterimageError, String(error)),
    );
  }
  assert.ok(drawn > 8, `${drawn} drawn`);
});
