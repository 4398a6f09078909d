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

/** Why the core cannot be asked here; false where it can. */
export function withoutCore(): string | false {
  try {
    loadAddon();
    return false;
  } catch (error) {
    return (error as Error).message;
  }
}
