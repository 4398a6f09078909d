import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Config } from '../../src/models/checkpoint/config.js';
import {
  antialiasedTaps,
  bicubicTaps,
  bilinearCornerTaps,
  type Taps,
} from '../../src/models/towers/position-tables.js';
import { linearPositions, mropePositions } from '../../src/models/positions.js';
import { mergeOrder } from '../../src/models/processors/qwen-image.js';
import { roundHalfEven } from '../../src/models/processors/smart-resize.js';
import { blockOrder } from '../../src/models/processors/square-frames.js';
import {
  geometricFrequencies,
  interleavedAxes,
  inverseFrequencies,
  ropeAttentionFactor,
  ropeSettings,
  sectionedAxes,
} from '../../src/models/rope.js';
import { visibleEnds } from '../../src/models/visibility.js';
import { inverseOrder, windowOrder } from '../../src/models/towers/window-order.js';

const axis = (positions: { data: Int32Array; axes: number }, a: number): number[] =>
  Array.from(positions.data).filter((_, i) => i % positions.axes === a);

test('M-RoPE: three text tokens, an image of 2 × 3 tokens, two text tokens', () => {
  const positions = mropePositions(11, [{ start: 3, grid: { t: 1, h: 2, w: 3 } }]);
  assert.deepEqual(axis(positions, 0), [0, 1, 2, 3, 3, 3, 3, 3, 3, 6, 7]);
  assert.deepEqual(axis(positions, 1), [0, 1, 2, 3, 3, 3, 4, 4, 4, 6, 7]);
  assert.deepEqual(axis(positions, 2), [0, 1, 2, 3, 4, 5, 3, 4, 5, 6, 7]);
  assert.equal(positions.ropeDelta, -3);
});

test('M-RoPE: adjacent images are told apart by their grids; text alone has one position on all axes', () => {
  const grid = { t: 1, h: 1, w: 2 };
  const positions = mropePositions(4, [
    { start: 0, grid },
    { start: 2, grid },
  ]);
  assert.deepEqual(axis(positions, 2), [0, 1, 2, 3]);
  assert.deepEqual(axis(positions, 1), [0, 0, 2, 2]);
  const text = mropePositions(3, []);
  assert.deepEqual(
    [axis(text, 0), axis(text, 1), axis(text, 2), text.ropeDelta],
    [[0, 1, 2], [0, 1, 2], [0, 1, 2], 0],
  );
  assert.deepEqual(axis(linearPositions(3), 0), [0, 1, 2]);
});

test('visibility: causal, whole image runs, whole prompt', () => {
  const ids = [5, 9, 9, 5, 9, 9, 9];
  assert.deepEqual([...visibleEnds(ids, 9, 'causal')], [1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual([...visibleEnds(ids, 9, 'block')], [1, 3, 3, 4, 7, 7, 7]);
  assert.deepEqual([...visibleEnds(ids, 9, 'prefix')], [7, 7, 7, 7, 7, 7, 7]);
});

test('merge-block order of 4 × 6 patches', () => {
  const order = mergeOrder({ rows: 4, columns: 6, merge: 2 });
  assert.deepEqual(order.slice(0, 8), [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
    [0, 2],
    [0, 3],
    [1, 2],
    [1, 3],
  ]);
  assert.deepEqual(blockOrder(2, 4, 2).slice(0, 8), [0, 1, 4, 5, 2, 3, 6, 7]);
  assert.equal(blockOrder(2, 4, 2)[16], 16);
});

test('windows of 10 × 14 patches and of a grid they divide', () => {
  const { cells, boundaries } = windowOrder({ rows: 10, columns: 14, merge: 2 }, 4);
  const expected =
    '0 1 2 3 7 8 9 10 14 15 16 17 21 22 23 24 4 5 6 11 12 13 18 19 20 25 26 27 28 29 30 31 32 33 34';
  assert.deepEqual(cells, expected.split(' ').map(Number));
  assert.deepEqual(boundaries, [0, 64, 112, 128, 140]);
  const even = windowOrder({ rows: 16, columns: 16, merge: 2 }, 4);
  assert.deepEqual(even.boundaries, [0, 64, 128, 192, 256]);
  assert.deepEqual(
    even.cells.slice(0, 20),
    [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27, 4, 5, 6, 7],
  );
  assert.deepEqual(inverseOrder([2, 0, 1]), [1, 2, 0]);
});

test('position tables: taps of the three resampling rules', () => {
  const near = (taps: Taps, expected: [number, number][]): void => {
    assert.deepEqual(
      taps.map(({ index }) => index),
      expected.map(([index]) => index),
    );
    taps.forEach(({ weight }, i) => assert.ok(Math.abs(weight - expected[i]![1]) < 1e-6, `${weight}`));
  };
  near(bilinearCornerTaps(0, 4, 48), [
    [0, 1],
    [1, 0],
  ]);
  near(bilinearCornerTaps(1, 4, 48), [
    [15, 1 / 3],
    [16, 2 / 3],
  ]);
  near(bilinearCornerTaps(2, 4, 48), [
    [31, 2 / 3],
    [32, 1 / 3],
  ]);
  near(bilinearCornerTaps(3, 4, 48), [
    [47, 1],
    [47, 0],
  ]);
  near(bilinearCornerTaps(0, 1, 48), [
    [0, 1],
    [1, 0],
  ]);
  const cubic = [-0.09375, 0.59375, 0.59375, -0.09375];
  [6, 22, 38, 54].forEach((first, i) =>
    near(
      bicubicTaps(i, 4, 64),
      cubic.map((weight, k) => [first + k, weight]),
    ),
  );
  near(bicubicTaps(5, 64, 64), [
    [4, 0],
    [5, 1],
    [6, 0],
    [7, 0],
  ]);
  near(antialiasedTaps(0, 2, 4), [
    [0, 3 / 7],
    [1, 3 / 7],
    [2, 1 / 7],
  ]);
  near(antialiasedTaps(0, 8, 4), [[0, 1]]);
});

test('M-RoPE axes: sections in a row, and alternating', () => {
  assert.deepEqual(sectionedAxes([2, 3, 3]), [0, 0, 1, 1, 1, 2, 2, 2]);
  const axes = interleavedAxes([24, 20, 20], 64);
  assert.deepEqual(
    [0, 1, 2].map((a) => axes.filter((x) => x === a).length),
    [24, 20, 20],
  );
  assert.deepEqual(axes.slice(57), [0, 1, 2, 0, 0, 0, 0]);
  assert.deepEqual(interleavedAxes([11, 11, 10], 32).slice(27), [0, 1, 2, 0, 1]);
});

test('rotary settings: old and new spellings, per layer type, unknown scaling refused by name', () => {
  const read = (text: Record<string, unknown>, layerType?: string) =>
    ropeSettings(new Config(text, 'text_config'), { layerType });
  assert.equal(read({ rope_theta: 5, rope_scaling: { type: 'mrope', mrope_section: [1] } }).type, 'default');
  assert.equal(read({ rope_parameters: { rope_theta: 7, rope_type: 'default' } }).theta, 7);
  const perLayer = {
    rope_parameters: {
      full_attention: { rope_theta: 1e6, rope_type: 'linear', factor: 8 },
      sliding_attention: { rope_theta: 1e4, rope_type: 'default' },
    },
  };
  assert.deepEqual(
    [read(perLayer, 'full_attention').type, read(perLayer, 'sliding_attention').theta],
    ['linear', 1e4],
  );
  assert.equal(inverseFrequencies(read(perLayer, 'full_attention'), 4)[0], 1 / 8);
  assert.throws(() => read({ rope_theta: 1, rope_scaling: { rope_type: 'longrope' } }), {
    code: 'MODEL_UNSUPPORTED',
    message: /longrope/,
  });
  assert.throws(() => read({}), { code: 'INVALID_CHECKPOINT', message: /rope_theta/ });
});

test('YaRN: fast frequencies stay, slow ones are divided, and equal mscales cancel', () => {
  const rope_scaling = {
    type: 'yarn',
    factor: 64,
    original_max_position_embeddings: 4096,
    beta_fast: 32,
    beta_slow: 1,
    mscale: 1,
    mscale_all_dim: 1,
  };
  const settings = ropeSettings(new Config({ rope_theta: 50000, rope_scaling }, 'text_config'));
  const [scaled, plain] = [inverseFrequencies(settings, 64), geometricFrequencies(50000, 64)];
  assert.equal(scaled[0], plain[0]);
  assert.ok(Math.abs(scaled[31]! - plain[31]! / 64) < 1e-12);
  assert.equal(ropeAttentionFactor(settings), 1);
});

test('rounding is half to even', () => {
  assert.deepEqual([0.5, 1.5, 2.5, 3.5, 2.4, 2.6].map(roundHalfEven), [0, 2, 2, 4, 2, 3]);
});
