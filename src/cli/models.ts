// afterimage models: every supported family, its real checkpoints and the memory they need.
import { families } from '../models/registry.js';

const GIB = 2 ** 30;
/** MLX affine 4 bit, group 64, bf16 scales and biases: 4 + 32/64 bits per weight. */
const BITS_4 = 4.5;
const BITS_16 = 16;

export interface ModelRow {
  modelType: string;
  name: string;
  parameters: number;
  gib4: number;
  gib16: number;
}

export function modelRows(): ModelRow[] {
  return families.flatMap(({ modelTypes, checkpoints }) =>
    checkpoints.map(({ name, parameters }) => ({
      modelType: modelTypes[0]!,
      name,
      parameters,
      gib4: (parameters * BITS_4) / 8 / GIB,
      gib16: (parameters * BITS_16) / 8 / GIB,
    })),
  );
}

export function modelsTable(): string {
  const head = `${'model_type'.padEnd(14)}${'checkpoint'.padEnd(44)}${'parameters'.padStart(10)}${'4 bit'.padStart(10)}${'16 bit'.padStart(10)}`;
  const lines = modelRows().map(
    ({ modelType, name, parameters, gib4, gib16 }) =>
      `${modelType.padEnd(14)}${name.padEnd(44)}${`${(parameters / 1e9).toFixed(2)} B`.padStart(10)}${gib(gib4)}${gib(gib16)}`,
  );
  return [
    head,
    ...lines,
    '',
    'Memory is of the weights; add the KV cache (afterimage doctor shows its budget).',
  ].join('\n');
}

function gib(value: number): string {
  return `${value.toFixed(1)} GiB`.padStart(10);
}
