// Regions that a note recommends: they cover the image, overlap a little, and each fits what the model looks at.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Picture } from '../../src/ask/conversations.js';
import { bands, shrunkNote } from '../../src/ask/shrunk.js';
import { CLOSELY } from '../../src/image/rgb-image.js';

for (const [width, height, seen] of [
  [1296, 2400, { width: 928, height: 1728 }],
  [3840, 2160, { width: 1344, height: 768 }],
  [800, 32_000, { width: 64, height: 2560 }],
  [32_000, 20, { width: 1280, height: 4 }],
  [10, 10, { width: 10, height: 10 }],
  [1, 5000, { width: 1, height: 1000 }],
] as const) {
  test(`${width} × ${height} seen as ${seen.width} × ${seen.height}`, () => {
    const found = bands({ x: 7, y: 9, width, height }, seen);
    const tall = height >= width;
    let reached = tall ? 9 : 7;
    for (const { x, y, width: w, height: h } of found) {
      assert.ok(w * h <= Math.max(seen.width * seen.height, tall ? width : height));
      assert.ok((tall ? y : x) <= reached, 'no gap');
      assert.ok(x >= 7 && y >= 9 && x + w <= 7 + width && y + h <= 9 + height);
      reached = tall ? y + h : x + w;
    }
    assert.equal(reached, tall ? 9 + height : 7 + width);
  });
}

test('where a slow machine sees less than the model could, the note says how it sees more', () => {
  const original = { width: 1280, height: 800 };
  const seen = [{ width: 640, height: 400 }];
  const picture = (maxPixels?: number): Picture => ({
    imageId: 'img',
    original,
    listed: true,
    input: { pixelHash: '', ...original, maxPixels, pixels: () => assert.fail('nobody needs them') },
  });
  assert.match(shrunkNote([picture()], seen, true)!, /shrunk 2\.0 times .* describe_image and detail full/);
  assert.doesNotMatch(shrunkNote([picture()], seen)!, /detail full/);
  assert.doesNotMatch(shrunkNote([picture(CLOSELY)], seen, true)!, /detail full/);
});
