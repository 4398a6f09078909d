// The weights of a linear as the native core computes with them: what it makes of the unit vectors.
import { createRunner, loadAddon } from '../../src/engine/native.js';
import { GraphBuilder, rowsOf } from '../../src/graph/builder.js';
import type { WeightRecipe } from '../../src/graph/program.js';
import type { Checkpoint } from '../../src/models/checkpoint/checkpoint.js';

/** @returns [rows][columns] of the recipe */
export async function readBack(
  { files, headers }: Pick<Checkpoint, 'files' | 'headers'>,
  recipe: WeightRecipe,
): Promise<Float32Array> {
  const [rows, columns] = recipe.shape as [number, number];
  const g = new GraphBuilder('vision');
  const x = g.input('x', { rows: rowsOf('rows'), width: columns });
  g.output('y', g.matmul(x, recipe));
  const runner = await createRunner({
    ...{ files, headers, program: JSON.stringify(g.finish()) },
    ...{ precision: 'exact', kvType: 'f32', threads: 1 },
  });
  try {
    const unit = new Float32Array(columns * columns);
    for (let i = 0; i < columns; i++) unit[i * columns + i] = 1;
    const y = (await runner.run({ inputs: { x: { data: unit, rows: columns } } }))['y']!.data;
    return Float32Array.from(
      { length: rows * columns },
      (_, i) => y[(i % columns) * rows + Math.floor(i / columns)]!,
    );
  } finally {
    await runner.close();
  }
}

/** @returns [experts][rows][columns] of the recipe */
export async function readBackExperts(
  { files, headers }: Pick<Checkpoint, 'files' | 'headers'>,
  recipe: WeightRecipe,
): Promise<Float32Array> {
  const [experts, rows, columns] = recipe.shape as [number, number, number];
  const g = new GraphBuilder('vision');
  const x = g.input('x', { rows: rowsOf('rows'), width: columns });
  const ids = g.input('ids', { rows: rowsOf('rows'), width: 1, dtype: 'i32' });
  g.output('y', g.expertLinear(x, ids, recipe));
  const runner = await createRunner({
    ...{ files, headers, program: JSON.stringify(g.finish()) },
    ...{ precision: 'exact', kvType: 'f32', threads: 1 },
  });
  try {
    const count = experts * columns;
    const unit = new Float32Array(count * columns);
    for (let i = 0; i < count; i++) unit[i * columns + (i % columns)] = 1;
    const expert = Int32Array.from({ length: count }, (_, i) => Math.floor(i / columns));
    const inputs = { x: { data: unit, rows: count }, ids: { data: expert, rows: count } };
    const y = (await runner.run({ inputs }))['y']!.data;
    return Float32Array.from({ length: experts * rows * columns }, (_, i) => {
      const [e, row, column] = [
        Math.floor(i / (rows * columns)),
        Math.floor(i / columns) % rows,
        i % columns,
      ];
      return y[(e * columns + column) * rows + row]!;
    });
  } finally {
    await runner.close();
  }
}

/** Why the core cannot be asked here; false where it can. */
export function withoutCore(): string | false {
  try {
    loadAddon();
    return false;
  } catch (error) {
    return (error as Error).message;
  }
}
