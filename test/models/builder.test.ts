import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GraphBuilder, rowsOf, type WeightModule } from '../../src/graph/builder.js';
import type { WeightRecipe } from '../../src/graph/program.js';

function weight(path: string): WeightModule {
  const recipe = (suffix: string, shape: number[]): WeightRecipe => ({
    name: `${path}.${suffix}`,
    shape,
    tensors: [`${path}.${suffix}`],
  });
  return {
    path,
    matrix: (rows, columns) => recipe('weight', [rows, columns]),
    vector: (length) => recipe('weight', [length]),
    bias: (length) => recipe('bias', [length]),
  };
}

function inputs(): {
  g: GraphBuilder;
  x: ReturnType<GraphBuilder['input']>;
  ids: ReturnType<GraphBuilder['input']>;
} {
  const g = new GraphBuilder('decoder');
  return {
    g,
    x: g.input('x', { rows: rowsOf('rows'), width: 8 }),
    ids: g.input('ids', { rows: rowsOf('rows'), width: 1, dtype: 'i32' }),
  };
}

const refused = (action: () => unknown, message: RegExp): void =>
  assert.throws(action, { code: 'INVALID_PROGRAM', message });

test('a program lists values, weights and operators by index; attributes only where they differ from defaults', () => {
  const { g, x } = inputs();
  const h = g.rmsNorm(x, weight('norm'), 1e-6, { groups: 2 });
  g.output('y', g.linear(h, weight('proj'), 4, { bias: true }));
  const program = g.finish();
  assert.deepEqual(program.ops, [
    { op: 'rmsNorm', in: [0], weights: [0], out: [2], attrs: { eps: 1e-6, groups: 2 } },
    { op: 'linear', in: [2], weights: [1, 2], out: [3], attrs: {} },
  ]);
  assert.deepEqual(
    program.weights.map(({ name, shape }) => [name, shape]),
    [
      ['norm.weight', [4]],
      ['proj.weight', [4, 8]],
      ['proj.bias', [4]],
    ],
  );
  assert.deepEqual(program.values[3], {
    name: 'y',
    dtype: 'f32',
    rows: { symbol: 'rows', mul: 1, div: 1 },
    width: 4,
  });
  assert.deepEqual([program.inputs, program.outputs], [[0, 1], [3]]);
});

test('regroup divides the symbolic row count in lowest terms', () => {
  const g = new GraphBuilder('vision');
  const x = g.input('x', { rows: rowsOf('patches', 2), width: 3 });
  const y = g.regroup(x, 4);
  assert.deepEqual([y.rows, y.width], [{ symbol: 'patches', mul: 1, div: 2 }, 12]);
});

test('ungroup undoes regroup', () => {
  const g = new GraphBuilder('vision');
  const x = g.input('x', { rows: rowsOf('patches', 1, 2), width: 6 });
  const y = g.ungroup(g.regroup(x, 4), 4);
  assert.deepEqual([y.rows, y.width], [x.rows, x.width]);
  refused(() => g.ungroup(x, 4), /ungroup: "x" of width 6 is not 4 groups/);
});

test('gathered taps lie side by side', () => {
  const { g, x } = inputs();
  const taps = g.input('taps', { rows: rowsOf('patches'), width: 9, dtype: 'i32' });
  const y = g.gatherRows(x, taps);
  assert.deepEqual([y.rows, y.width], [taps.rows, 72]);
});

test('attention layers and recurrent states are numbered apart', () => {
  const { g, x } = inputs();
  const shape = { heads: 2, kvHeads: 1, kDim: 4, scale: 0.5 };
  const k = g.slice(x, 0, 4);
  const conv = g.shortConv(x, { name: 'conv', shape: [8, 3], tensors: ['conv'] });
  g.attention(x, k, k, shape);
  g.output('y', g.attention(conv, null, null, { ...shape, layer: 0 }));
  const program = g.finish();
  assert.deepEqual(program.kv, { layers: [{ kvHeads: 1, kDim: 4, vDim: 4 }] });
  assert.deepEqual(program.states, { elements: [16] });
});

test('a tied weight is listed once; the same name for two readings is refused', () => {
  const { g, x, ids } = inputs();
  const table = weight('embed').matrix(10, 8);
  g.embedding(ids, table);
  g.output('logits', g.matmul(x, table));
  assert.equal(g.finish().weights.length, 1);
  refused(() => g.matmul(x, { ...table, shape: [9, 8] }), /"embed.weight" is read in two different ways/);
});

test('shape errors name the operator, the value and both sizes', () => {
  const { g, x, ids } = inputs();
  const wide = g.input('wide', { rows: rowsOf('rows'), width: 9 });
  const other = g.input('other', { rows: rowsOf('patches'), width: 8 });
  refused(() => g.add(x, wide), /add: "wide" has width 9; expected 8/);
  refused(() => g.add(x, other), /add: "x" has rows rows, "other" has patches/);
  refused(() => g.rope(x, wide, 3), /rope: "x" of width 8 is not 3 groups/);
  refused(() => g.embedding(x, weight('e').matrix(4, 8)), /embedding: "x" must be i32 of width 1/);
  refused(() => g.gatherRows(x, wide), /gatherRows: "wide" must be i32/);
  refused(() => g.chooseRows(x, wide, ids, { start: 0, count: 1 }), /chooseRows: "wide" has width 9/);
  refused(() => g.mul(x, weight('scale').vector(7)), /mul: "scale.weight" must have 8 elements/);
  refused(
    () => g.depthwiseRows(x, ids, weight('taps').matrix(2, 8)),
    /depthwiseRows: "taps.weight" has 2 taps of 8 channels, but "ids" has 1 and "x" 8/,
  );
  refused(() => g.slice(x, 4, 5), /slice: columns \[4, 9\)/);
  refused(
    () => g.regroup(g.input('two', { rows: { constant: 3 }, width: 1 }), 2),
    /3 rows cannot be regrouped by 2/,
  );
  refused(
    () => g.matmul(wide, weight('p').matrix(4, 8)),
    /linear: "wide" has width 9, but "p.weight" has 8 columns/,
  );
  refused(
    () => g.attention(x, null, null, { heads: 2, kvHeads: 1, kDim: 4, scale: 1, layer: 0 }),
    /KV layer 0 is read before/,
  );
  refused(() => g.route(x, { k: 9, score: 'softmax', normalize: true }), /top 9 of 8 experts/);
  refused(() => g.named('x', ids), /Two values are named "x"/);
  refused(() => g.finish(), /has no output/);
});
