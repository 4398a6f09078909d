// Pictures with a side of tens of thousands of pixels: every family plans them, or refuses them in a sentence.
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { test } from 'node:test';
import { AfterimageError } from '../../src/errors.js';
import { openModel } from '../../src/models/registry.js';
import { tensorResize } from '../../src/models/processors/tensor-resize.js';
import { checkpointFolders } from '../goldens/checkpoints.js';

const SIZES = [
  [800, 32_000],
  [32_000, 800],
  [1, 40_000],
  [40_000, 4],
  [9_999, 9_999],
] as const;

const white = (width: number, height: number) => ({
  width,
  height,
  data: new Uint8Array(width * height * 3).fill(255),
});

for (const folder of checkpointFolders()) {
  test(`${basename(folder)} plans giants`, () => {
    const { processor } = openModel(folder).model;
    for (const [width, height] of SIZES) {
      try {
        const plan = processor.plan(width, height);
        assert.ok(plan.tokens > 0 && plan.tokens < 100_000);
        // Thin ones as pixels too: what fails on a long side fails on those as well.
        if (width * height < 1e6) processor.inputs(white(width, height), plan);
      } catch (error) {
        assert.ok(error instanceof AfterimageError, `${width} × ${height}: ${String(error)}`);
        assert.match(error.message, /too (narrow|long).*crop it\.$/);
      }
    }
  });
}

for (const [width, height] of [
  [1, 150_000],
  [150_000, 1],
] as const) {
  test(`${width} × ${height} is shrunk`, () => {
    const image = tensorResize(white(width, height), Math.min(width, 64), Math.min(height, 64), 'bicubic');
    assert.ok(image.data.every((value) => value === 255));
  });
}
