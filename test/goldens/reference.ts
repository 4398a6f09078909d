// A slow interpreter of programs, written from native/graph/ops.h alone: the oracle for families and for kernels.
// Sums run in f64 and are rounded to f32 once per operator.
import type { Program, ProgramOp, Rows } from '../../src/graph/program.js';
import type { Runner, RunnerRequest, RunnerResult } from '../../src/engine/native.js';
import { rowKernels, type Matrix, type OpCall } from './reference-rows.js';
import { sequenceKernels, type RowPlace, type Timeline } from './reference-sequences.js';
import { readSafetensors, readWeight, type StoredArray } from './reference-weights.js';

export class ReferenceRunner implements Runner {
  readonly #program: Program;

  readonly #arrays: Map<string, StoredArray>;
  readonly #weights: { shape: number[]; data: Float32Array }[];
  readonly #timelines = new Map<number, Timeline>();

  constructor(program: Program, files: string[]) {
    this.#program = program;

    this.#arrays = readSafetensors(files);
    this.#weights = program.weights.map((recipe) => ({
      shape: recipe.shape,
      data: readWeight(this.#arrays, recipe),
    }));
  }

  load(): Promise<{ weightBytes: number; backend: string }> {
    return Promise.resolve({
      weightBytes: this.#weights.reduce((sum, { data }) => sum + data.byteLength, 0),
      backend: 'reference',
    });
  }

  predictBytes(): Promise<number> {
    return Promise.resolve(0);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** A run is over when its promise is made. */
  cancel(): void {}

  reset(slot: number): void {
    this.#timelines.delete(slot);
  }

  run(request: RunnerRequest): Promise<RunnerResult> {
    const values: (Matrix | undefined)[] = [];
    const counts = this.#bindInputs(request, values);
    const places = this.#places(request);
    for (const op of this.#program.ops) this.#step(op, values, counts, places);
    const result: RunnerResult = {};
    for (const index of this.#program.outputs)
      result[this.#program.values[index]!.name] = values[index] as RunnerResult[string];
    for (const name of request.taps ?? []) {
      const index = this.#program.values.findIndex((value) => value.name === name);
      if (index < 0) throw new Error(`No value is named "${name}"`);
      result[name] = values[index] as RunnerResult[string];
    }
    return Promise.resolve(result);
  }

  #bindInputs(request: RunnerRequest, values: (Matrix | undefined)[]): Map<string, number> {
    const counts = new Map<string, number>();
    for (const index of this.#program.inputs) {
      const { name, width, rows } = this.#program.values[index]!;
      const given = request.inputs[name];
      if (!given || given.data.length !== given.rows * width)
        throw new Error(`Input "${name}" must have ${width} columns`);
      if ('scale' in given) throw new Error(`Input "${name}" must be given as numbers, not as bytes`);
      values[index] = { rows: given.rows, width, data: given.data };
      if ('symbol' in rows) {
        const count = (given.rows * (rows.div ?? 1)) / (rows.mul ?? 1);
        if ((counts.get(rows.symbol) ?? count) !== count)
          throw new Error(
            `Input "${name}" has ${given.rows} rows; "${rows.symbol}" is ${counts.get(rows.symbol)}`,
          );
        counts.set(rows.symbol, count);
      }
    }
    return counts;
  }

  #places({ sequences = [] }: RunnerRequest): RowPlace[] {
    return sequences.flatMap(({ slot, rows, firstPosition, visibleEnd }) => {
      const timeline = this.#timeline(slot, firstPosition);
      return Array.from({ length: rows }, (_, i) => ({
        timeline,
        position: firstPosition + i,
        visibleEnd: visibleEnd?.[i] ?? firstPosition + i + 1,
      }));
    });
  }

  #timeline(slot: number, firstPosition: number): Timeline {
    if (firstPosition === 0 || !this.#timelines.has(slot)) {
      const layers = this.#program.kv?.layers ?? [];
      const states = (this.#program.states?.elements ?? []).map((elements) => new Float32Array(elements));
      this.#timelines.set(slot, { keys: layers.map(() => []), values: layers.map(() => []), states });
    }
    return this.#timelines.get(slot)!;
  }

  #step(
    op: ProgramOp,
    values: (Matrix | undefined)[],
    counts: Map<string, number>,
    places: RowPlace[],
  ): void {
    const declared = this.#program.values[op.out[0]!]!;
    const call: OpCall = {
      in: op.in.map((index) => (index < 0 ? null : values[index]!)),
      weights: op.weights.map((index) => (index < 0 ? null : this.#weights[index]!)),
      attrs: op.attrs,
      rows: resolveRows(declared.rows, counts),
    };
    const kernel = rowKernels[op.op] ?? sequenceKernels[op.op];
    if (!kernel) throw new Error(`No operator "${op.op}"`);
    kernel(call, places).forEach((out, i) => {
      const { name, width } = this.#program.values[op.out[i]!]!;
      if (out.width !== width || out.rows !== call.rows)
        throw new Error(
          `${op.op} "${name}": made [${out.rows}, ${out.width}], declared [${call.rows}, ${width}]`,
        );
      values[op.out[i]!] = out;
    });
  }
}

function resolveRows(rows: Rows, counts: Map<string, number>): number {
  return 'constant' in rows ? rows.constant : (counts.get(rows.symbol)! * (rows.mul ?? 1)) / (rows.div ?? 1);
}
