// How fused experts are stored: their shape tells, and where a matrix is square the family says it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GraphBuilder, rowsOf } from '../../src/graph/builder.js';
import { chosenExperts, type ExpertShape } from '../../src/models/decoders/experts.js';
import type { CheckpointModule } from '../../src/models/checkpoint/weights.js';

const [EXPERTS, HIDDEN] = [2, 8];

/** Fused experts with tensors of these shapes. */
function stored(shapes: Record<string, number[]>): (name: string) => CheckpointModule {
  return (name) => {
    const recipe = (shape: number[], permute?: number[]) => ({
      name,
      shape,
      tensors: [name],
      ...(permute && { permute }),
    });
    return {
      path: name,
      exists: name in shapes,
      hasShape: (shape: number[]) => shapes[name]!.join() === shape.join(),
      stackedExperts: (...shape: number[]) => recipe(shape),
      transposedExperts: (...shape: number[]) => recipe(shape, [0, 2, 1]),
    } as unknown as CheckpointModule;
  };
}

/** Names of the tensors that a program takes transposed. */
function transposedIn(inner: number, shapes: Record<string, number[]>, transposed?: boolean): string[] {
  const g = new GraphBuilder('decoder');
  const rows = rowsOf('rows');
  const x = g.input('x', { rows, width: HIDDEN });
  const weights = g.input('weights', { rows, width: 1 });
  const ids = g.input('ids', { rows, width: 1, dtype: 'i32' });
  const shape: ExpertShape = {
    experts: EXPERTS,
    inner,
    route: { k: 1, score: 'softmax', normalize: true },
    ...(transposed !== undefined && { transposed }),
  };
  g.output('y', chosenExperts(g, x, { weights, ids }, stored(shapes), shape));
  return g
    .finish()
    .weights.filter(({ permute }) => permute)
    .map(({ name }) => name);
}

test('of square matrices the family says how they are stored; absent, as [out, in]', () => {
  const inner = HIDDEN / 2; // gate and up together are square
  const shapes = {
    'experts.gate_up_proj': [EXPERTS, HIDDEN, HIDDEN],
    'experts.down_proj': [EXPERTS, HIDDEN, inner],
  };
  assert.deepEqual(transposedIn(inner, shapes), []);
  assert.deepEqual(transposedIn(inner, shapes, false), []);
  assert.deepEqual(transposedIn(inner, shapes, true), ['experts.gate_up_proj']);
});

test('of others the shape tells, whatever the family says', () => {
  const inner = HIDDEN;
  const out = { 'experts.gate_up_proj': [EXPERTS, 2 * inner, HIDDEN], 'experts.down_proj': [EXPERTS, 8, 8] };
  const turned = { ...out, 'experts.gate_up_proj': [EXPERTS, HIDDEN, 2 * inner] };
  assert.deepEqual(transposedIn(inner, out, true), ['experts.down_proj']);
  assert.deepEqual(transposedIn(inner, turned, false), ['experts.gate_up_proj']);
});
