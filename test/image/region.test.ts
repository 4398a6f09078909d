import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkRegion, crop, toOriginal, wholeImage, withMargin } from '../../src/image/region.js';
import { cropImage, createImageContext, loadImage } from '../../src/image/load.js';
import { pixelIdentity } from '../../src/image/key.js';
import { encode, noise } from './pictures.js';

const size = { width: 640, height: 480 };
const region = (x: number, y: number, width: number, height: number) => ({ x, y, width, height });

test('regions inside the image pass', () => {
  for (const good of [region(0, 0, 640, 480), region(639, 479, 1, 1), region(10, 20, 30, 40)])
    checkRegion(good, size);
});

test('other regions are refused with the real size', () => {
  for (const bad of [
    region(-1, 0, 10, 10),
    region(0, -5, 10, 10),
    region(0, 0, 0, 10),
    region(0, 0, 10, -1),
    region(0, 0, 641, 10),
    region(600, 0, 41, 10),
    region(0, 480, 1, 1),
    region(0.5, 0, 10, 10),
    region(NaN, 0, 10, 10),
    region(0, 0, Infinity, 10),
    region(Number.MAX_SAFE_INTEGER, 0, 10, 10),
    region(1e300, 1e300, 1e300, 1e300),
  ]) {
    assert.throws(() => checkRegion(bad, size), { code: 'INVALID_REGION', message: /640 × 480/ });
  }
});

test('a crop has the pixels of its region and an identity of its own', async () => {
  const image = noise(20, 10);
  const part = crop(image, region(5, 2, 3, 4));
  assert.deepEqual([part.width, part.height, part.data.length], [3, 4, 36]);
  for (const [x, y] of [
    [0, 0],
    [2, 3],
  ] as const) {
    const from = ((y + 2) * 20 + x + 5) * 3;
    assert.deepEqual(
      [...part.data.subarray((y * 3 + x) * 3, (y * 3 + x) * 3 + 3)],
      [...image.data.subarray(from, from + 3)],
    );
  }
  const context = createImageContext({ folders: [] });
  const loaded = await loadImage(
    `data:image/png;base64,${(await encode(image, 'png')).toString('base64')}`,
    context,
  );
  const cropped = await cropImage(loaded, region(5, 2, 3, 4));
  assert.equal(cropped.pixelHash, pixelIdentity(part).pixelHash);
  assert.notEqual(cropped.pixelHash, loaded.pixelHash);
  await assert.rejects(cropImage(loaded, region(5, 2, 16, 4)), {
    code: 'INVALID_REGION',
    message: /20 × 10/,
  });
});

test('images of equal bytes but different shape have different identities', () => {
  const { data } = noise(6, 4);
  assert.notEqual(
    pixelIdentity({ width: 6, height: 4, data }).pixelHash,
    pixelIdentity({ width: 4, height: 6, data }).pixelHash,
  );
});

test('boxes come back to original pixels, rounded outwards and cut to what was shown', () => {
  const viewed = { width: 320, height: 240 };
  const whole = wholeImage(size);
  assert.deepEqual(toOriginal([0, 0, 1000, 1000], 'relative-1000', viewed, whole), whole);
  assert.deepEqual(
    toOriginal([500, 500, 1000, 1000], 'relative-1000', viewed, whole),
    region(320, 240, 320, 240),
  );
  assert.deepEqual(toOriginal([1, 1, 2, 2], 'relative-1000', viewed, whole), region(0, 0, 2, 1));
  assert.deepEqual(toOriginal([10, 10, 20, 20], 'viewed-pixels', viewed, whole), region(20, 20, 20, 20));
  assert.deepEqual(
    toOriginal([300, 200, 400, 400], 'viewed-pixels', viewed, whole),
    region(600, 400, 40, 80),
  );
  assert.deepEqual(toOriginal([20, 20, 10, 10], 'viewed-pixels', viewed, whole), region(20, 20, 20, 20));
  assert.deepEqual(
    toOriginal([0, 0, 500, 1000], 'relative-1000', viewed, region(100, 50, 200, 100)),
    region(100, 50, 100, 100),
  );
  assert.deepEqual(toOriginal([7, 7, 7, 7], 'relative-1000', viewed, whole)?.width, 1);
  assert.equal(toOriginal([1000, 0, 1200, 5], 'relative-1000', viewed, whole), undefined);
  assert.equal(toOriginal([0, NaN, 1, 1], 'relative-1000', viewed, whole), undefined);
});

test('a margin grows as far as the image goes', () => {
  assert.deepEqual(withMargin(region(100, 100, 10, 10), 5, 0, size), region(95, 95, 20, 20));
  assert.deepEqual(withMargin(region(0, 470, 10, 10), 5, 64, size), region(0, 416, 64, 64));
  assert.deepEqual(withMargin(region(0, 0, 640, 480), 50, 64, size), region(0, 0, 640, 480));
  assert.deepEqual(withMargin(region(1, 1, 1, 1), 0, 9999, size), region(0, 0, 640, 480));
});
