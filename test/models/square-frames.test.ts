// Frames that are no whole number of patches wide: SigLIP at 384 pixels has 27 patches of 14, and 6 pixels in none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frameInputs } from '../../src/models/processors/square-frames.js';

test('pixels beyond the last whole patch are in none', () => {
  const [side, patch] = [5, 2];
  const data = Uint8Array.from({ length: side * side * 3 }, (_, i) => Math.floor(i / 3)); // its pixel's place
  const as = Float32Array.from({ length: 256 }, (_, value) => value);
  const inputs = frameInputs([{ width: side, height: side, data }], [as, as, as], patch);
  const pixels = inputs['pixel_values']!;
  assert.deepEqual([pixels.rows, pixels.width], [4, 12]);
  const places = [...new Set(pixels.data)].sort((a, b) => a - b);
  assert.deepEqual(places, [0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13, 15, 16, 17, 18]);
  assert.deepEqual([...inputs['position_index']!.data], [0, 1, 2, 3]);
  assert.deepEqual([...inputs['segments']!.data], [0, 4]);
});
