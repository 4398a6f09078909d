// The element classifier on the engine: equal to plain loops over the weights that ship; what it sees of a line is the
// line's own, what it says of it and of the screen is the picture's.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openElements } from '../../src/engine/element-engine.js';
import type { ElementNetwork } from '../../src/engine/text-networks.js';
import { tensorsOf, type Tensor } from '../../src/models/readers/safetensors.js';
import { packageRoot } from '../../src/package-root.js';

const folder = join(packageRoot(), 'models', 'elements');
const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as { strides: number[] };
const tensors = tensorsOf(readFileSync(join(folder, 'model.safetensors')), 'model.safetensors');
const [ROWS, COLUMNS, VIEWS, FEATURES] = [48, 96, 4, 15];
const LINE_BYTES = VIEWS * ROWS * COLUMNS * 3;

/** Lines of smooth noise, no two alike. */
const LINES = 3;
const views = Uint8Array.from({ length: LINES * LINE_BYTES }, (_, i) =>
  Math.round(128 + 90 * Math.sin(i * 0.013) + 30 * Math.cos(i * 0.7)),
);
const features = Float32Array.from({ length: LINES * FEATURES }, (_, i) => Math.sin(i) / 2);

let network: ElementNetwork;
before(async () => (network = await openElements({ threads: 1 })));
after(() => network.close());

interface Grid {
  height: number;
  width: number;
  channels: number;
  data: Float64Array;
}

/** 3 × 3, zero padding of 1, ReLU. */
function convolved(grid: Grid, weight: Tensor, bias: Tensor, stride: number): Grid {
  const [out] = weight.shape as [number];
  const [height, width] = [grid.height / stride, grid.width / stride];
  const data = new Float64Array(height * width * out);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let o = 0; o < out; o++) {
        let sum = bias.data[o]!;
        for (let t = 0; t < 9; t++) {
          const [sy, sx] = [y * stride + Math.floor(t / 3) - 1, x * stride + (t % 3) - 1];
          if (sy < 0 || sx < 0 || sy >= grid.height || sx >= grid.width) continue;
          const from = (sy * grid.width + sx) * grid.channels;
          for (let c = 0; c < grid.channels; c++)
            sum += grid.data[from + c]! * weight.data[(o * grid.channels + c) * 9 + t]!;
        }
        data[(y * width + x) * out + o] = Math.max(0, sum);
      }
  return { height, width, channels: out, data };
}

function linear(row: ArrayLike<number>, name: string): number[] {
  const { data } = tensors.get(`${name}.weight`)!;
  return Array.from(tensors.get(`${name}.bias`)!.data, (bias, o) => {
    let sum = bias;
    for (let i = 0; i < row.length; i++) sum += row[i]! * data[o * row.length + i]!;
    return sum;
  });
}

const relu = (row: number[]): number[] => row.map((x) => Math.max(0, x));

/** What the convolutions and the hidden layer see of a line. */
function hiddenOf(line: number): number[] {
  const row: number[] = [];
  for (let v = 0; v < VIEWS; v++) {
    const from = line * LINE_BYTES + v * ROWS * COLUMNS * 3;
    const bytes = views.subarray(from, from + ROWS * COLUMNS * 3);
    let grid: Grid = {
      height: ROWS,
      width: COLUMNS,
      channels: 3,
      data: Float64Array.from(bytes, (byte) => byte / 127.5 - 1),
    };
    for (const [i, stride] of config.strides.entries())
      grid = convolved(grid, tensors.get(`layers.${i}.weight`)!, tensors.get(`layers.${i}.bias`)!, stride);
    row.push(...grid.data);
  }
  row.push(...features.subarray(line * FEATURES, (line + 1) * FEATURES));
  return relu(linear(row, 'hidden'));
}

const close = (said: ArrayLike<number>, wanted: number[]): void => {
  assert.equal(said.length, wanted.length);
  for (const [i, logit] of wanted.entries())
    assert.ok(Math.abs(said[i]! - logit) < 1e-4 * Math.max(1, Math.abs(logit)), `logit ${i}`);
};

test('logits are those of plain loops over the shipped weights, those of the kinds too', async () => {
  const { lines, kinds } = await network.classify(views, features);
  assert.equal(lines.length, LINES);
  assert.equal(lines[0]!.length, network.roles.length + network.states.length + network.colours.length);
  assert.equal(kinds.length, network.kinds.length);
  const hidden = Array.from({ length: LINES }, (_, line) => hiddenOf(line));
  const none = hidden[0]!.map(() => 0);
  const mean = (rows: number[][]) =>
    rows[0]!.map((_, i) => rows.reduce((sum, row) => sum + row[i]!, 0) / rows.length);
  const beside = hidden.map((own, i) =>
    relu(
      linear([...own, ...(hidden[i - 1] ?? none), ...(hidden[i + 1] ?? none), ...mean(hidden)], 'context'),
    ),
  );
  for (const [i, said] of lines.entries()) {
    const corrections = linear(beside[i]!, 'corrections');
    close(
      said,
      linear(hidden[i]!, 'marks').map((logit, at) => logit + corrections[at]!),
    );
  }
  const most = beside[0]!.map((_, i) => Math.max(...beside.map((row) => row[i]!)));
  close(kinds, linear([...mean(hidden), ...mean(beside), ...most], 'kinds'));
});

test('a picture has the same bits at every call, and one without lines is of no kind', async () => {
  const [first, again] = [await network.classify(views, features), await network.classify(views, features)];
  assert.deepEqual(first, again);
  const none = await network.classify(new Uint8Array(0), new Float32Array(0));
  assert.deepEqual(none, { lines: [], kinds: new Float32Array(0) });
});

test('a folder that holds no such network is refused in words', async () => {
  await assert.rejects(openElements({ folder: join(packageRoot(), 'models', 'starter') }), {
    code: 'INVALID_CHECKPOINT',
  });
});
