import assert from 'node:assert/strict';
import { test } from 'node:test';
import pixelmatch from 'pixelmatch';
import sharp from 'sharp';
import type { ImageInput } from '../../src/image/rgb-image.js';
import { diffImages, MAX_IGNORE_REGIONS } from '../../src/image/diff.js';
import { changedRegions } from '../../src/image/diff-regions.js';
import { pixelIdentity } from '../../src/image/key.js';
import { resize } from '../../src/image/resize.js';
import type { RgbImage } from '../../src/image/rgb-image.js';
import { paint, plain } from './pictures.js';

const asInput = (image: RgbImage): ImageInput => ({ ...pixelIdentity(image), pixels: async () => image });
const diff = (a: RgbImage, b: RgbImage, options = {}) => diffImages(asInput(a), asInput(b), options);
const region = (x: number, y: number, width: number, height: number) => ({ x, y, width, height });

const white = plain(400, 300, [255, 255, 255]);
const page = paint(paint(white, 20, 20, 100, 30, [30, 60, 200]), 20, 80, 360, 2, [0, 0, 0]);

test('equal pixels need no look at them', async () => {
  const unread = { ...asInput(page), pixels: () => Promise.reject(new Error('read')) };
  const same = await diffImages(unread, unread);
  assert.deepEqual(
    [same.identical, same.changedPixels, same.changedShare, same.regions.length],
    [true, 0, 0, 0],
  );
});

test('a change is found with its exact box and share', async () => {
  const changed = await diff(page, paint(page, 200, 150, 40, 25, [255, 0, 0]));
  assert.equal(changed.identical, false);
  assert.equal(changed.alignment, 'same');
  assert.equal(changed.changedPixels, 1000);
  assert.equal(changed.changedShare, 1000 / 120_000);
  const box = region(200, 150, 40, 25);
  assert.deepEqual(changed.regions, [{ before: box, after: box, changedPixels: 1000 }]);
});

test('a change is found wherever the bands of a large image are cut', async () => {
  const large = plain(1000, 2500, [200, 200, 200]);
  for (const y of [0, 1046, 1047, 1048, 1049, 2499]) {
    const { regions, changedPixels } = await diff(large, paint(large, 500, y, 3, 1, [0, 0, 0]));
    assert.deepEqual(regions[0]!.after, region(500, y, 3, 1), `${y}`);
    assert.equal(changedPixels, 3);
  }
});

test('near changes are one region, far ones are several, the largest first', async () => {
  let after = paint(page, 200, 100, 5, 5, [255, 0, 0]);
  after = paint(after, 212, 100, 5, 5, [255, 0, 0]);
  after = paint(after, 300, 200, 60, 60, [0, 99, 0]);
  const { regions } = await diff(page, after);
  assert.deepEqual(
    regions.map(({ after }) => after),
    [region(300, 200, 60, 60), region(200, 100, 17, 5)],
  );
});

test('scattered changes are gathered into at most as many regions as asked for, and none is lost', async () => {
  let after = white;
  for (let y = 5; y < 300; y += 40)
    for (let x = 5; x < 400; x += 40) after = paint(after, x, y, 2, 2, [0, 0, 0]);
  for (const maxRegions of [1, 5, 12, 80]) {
    const { regions, changedPixels } = await diff(white, after, { maxRegions });
    assert.ok(regions.length >= 1 && regions.length <= maxRegions);
    assert.equal(
      regions.reduce((sum, one) => sum + one.changedPixels, 0),
      changedPixels,
    );
  }
  assert.equal((await diff(white, after, { maxRegions: 80 })).regions.length, 80);
});

test('anti-aliasing is not a change, and a threshold moves what is', async () => {
  const big = { width: 1600, height: 1600, data: disc(1600, 480) };
  const a = resize(big, 200, 200, 'box');
  const b = resize(big, 200, 200, 'bicubic');
  const aliased = await diff(a, b, { threshold: 0.05 });
  assert.equal(aliased.identical, false);
  assert.equal(aliased.changedPixels, 0);
  const faint = paint(page, 200, 150, 10, 10, [250, 250, 250]);
  assert.equal((await diff(page, faint)).changedPixels, 0);
  assert.equal((await diff(page, faint, { threshold: 0.005 })).changedPixels, 100);
});

test('anti-aliasing is judged the same wherever the bands are cut', async () => {
  const [a, b] = [stripes(1500, 1500, 0), stripes(1500, 1500, 1)];
  const whole = pixelmatch(withAlpha(a), withAlpha(b), undefined, 1500, 1500, { threshold: 0.1 });
  assert.ok(whole > 10_000);
  assert.equal((await diff(a, b)).changedPixels, whole);
});

/** Slanted stripes with soft edges. */
function stripes(width: number, height: number, shift: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const wave = Math.sin((x * 0.1 + y + shift) / 3) * 3;
      data.fill(
        Math.round(127.5 + 127.5 * Math.max(-1, Math.min(1, wave))),
        (y * width + x) * 3,
        (y * width + x) * 3 + 3,
      );
    }
  }
  return { width, height, data };
}

function withAlpha({ data }: RgbImage): Uint8Array {
  const rgba = new Uint8Array((data.length / 3) * 4).fill(255);
  for (let i = 0; i < data.length / 3; i++) rgba.set(data.subarray(i * 3, i * 3 + 3), i * 4);
  return rgba;
}

function disc(side: number, radius: number): Uint8Array {
  const data = new Uint8Array(side * side * 3).fill(255);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++)
      if (Math.hypot(x - side / 2, y - side / 2) < radius)
        data.fill(0, (y * side + x) * 3, (y * side + x) * 3 + 3);
  }
  return data;
}

test('ignored regions are not compared', async () => {
  const after = paint(paint(page, 200, 150, 40, 25, [255, 0, 0]), 10, 10, 5, 5, [0, 255, 0]);
  const ignoreRegions = [region(190, 140, 60, 60)];
  const some = await diff(page, after, { ignoreRegions });
  assert.deepEqual(
    some.regions.map(({ after }) => after),
    [region(10, 10, 5, 5)],
  );
  assert.equal(some.changedShare, 25 / (120_000 - 3600));
  const none = await diff(page, after, { ignoreRegions: [...ignoreRegions, region(0, 0, 30, 30)] });
  assert.deepEqual([none.identical, none.changedPixels, none.regions.length], [true, 0, 0]);
  const all = await diff(page, after, { ignoreRegions: [region(0, 0, 400, 300)] });
  assert.deepEqual([all.identical, all.changedShare], [true, 0]);
});

test('bad regions and thresholds are refused', async () => {
  const other = paint(page, 0, 0, 1, 1, [1, 2, 3]);
  for (const bad of [region(-1, 0, 5, 5), region(0, 0, 401, 5), region(0, 0, 0, 0)]) {
    await assert.rejects(diff(page, other, { ignoreRegions: [bad] }), {
      code: 'INVALID_REGION',
      message: /400 × 300/,
    });
  }
  const many = Array.from({ length: MAX_IGNORE_REGIONS + 1 }, () => region(0, 0, 1, 1));
  await assert.rejects(diff(page, other, { ignoreRegions: many }), { code: 'INVALID_REGION' });
  for (const threshold of [-0.1, 1.1, NaN])
    await assert.rejects(diff(page, other, { threshold }), RangeError);
});

test('a page that grew is compared from its top left corner', async () => {
  const { width, height } = page;
  const longer = { width, height: 500, data: new Uint8Array(width * 500 * 3).fill(255) };
  longer.data.set(page.data);
  const grown = await diff(page, longer);
  assert.deepEqual(
    [grown.alignment, grown.identical, grown.before, grown.after],
    ['top-left', false, { width, height }, { width, height: 500 }],
  );
  assert.deepEqual(grown.regions, [
    { before: undefined, after: region(0, 300, 400, 200), changedPixels: 80_000 },
  ]);
  assert.equal(grown.changedShare, 80_000 / 200_000);
  const shrunk = await diff(longer, page);
  assert.deepEqual(shrunk.regions, [
    { before: region(0, 300, 400, 200), after: undefined, changedPixels: 80_000 },
  ]);
  const crossed = await diff(plain(100, 10, [0, 0, 0]), plain(10, 100, [0, 0, 0]));
  assert.equal(crossed.changedShare, 1800 / 1900);
});

test('the same screen at twice the density is compared at one scale', async () => {
  const dense = resize(page, 800, 600, 'nearest');
  const same = await diff(page, dense);
  assert.deepEqual([same.alignment, same.identical, same.changedPixels], ['scaled', false, 0]);
  const changed = await diff(page, paint(dense, 400, 300, 80, 50, [255, 0, 0]));
  assert.deepEqual(changed.regions, [
    { before: region(200, 150, 40, 25), after: region(400, 300, 80, 50), changedPixels: 1000 },
  ]);
});

test('the picture shows changes in red and fits its size', async () => {
  const after = paint(page, 200, 150, 40, 25, [0, 0, 0]);
  const { picture } = await diff(page, after);
  const full = await sharp(await picture())
    .raw()
    .toBuffer({ resolveWithObject: true });
  assert.deepEqual([full.info.width, full.info.height], [400, 300]);
  assert.deepEqual([...full.data.subarray((160 * 400 + 220) * 3, (160 * 400 + 220) * 3 + 3)], [255, 0, 0]);
  assert.deepEqual([...full.data.subarray(0, 3)], [255, 255, 255]);
  assert.equal((await sharp(await picture(100)).metadata()).width, 100);
});

test('cancelling ends a comparison', async () => {
  const large = plain(2000, 2000, [1, 1, 1]);
  const signal = AbortSignal.abort();
  await assert.rejects(diff(large, plain(2000, 2000, [9, 9, 9]), { signal }), { code: 'CANCELLED' });
});

test('changes everywhere are gathered quickly', () => {
  const side = 3000;
  const data = new Uint8Array(side * side);
  for (let i = 0; i < data.length; i += 37) data[i] = 1;
  const started = performance.now();
  const regions = changedRegions({ width: side, height: side, data }, 12);
  assert.equal(
    regions.reduce((sum, one) => sum + one.changedPixels, 0),
    Math.ceil(data.length / 37),
  );
  const sparse = new Uint8Array(side * side);
  for (let y = 0; y < side; y += 60) for (let x = 0; x < side; x += 60) sparse[y * side + x] = 1;
  assert.equal(changedRegions({ width: side, height: side, data: sparse }, 12).length <= 12, true);
  assert.ok(performance.now() - started < 10_000);
});
