// Collects values, weights and operators of one program. The operators themselves are in builder.ts.
import { AfterimageError } from '../errors.js';
import type { KvLayer, Program, ProgramOp, ProgramValue, Rows, WeightRecipe } from './program.js';

/** A value of the program under construction. */
export interface Value extends ProgramValue {
  readonly index: number;
}

export type Attributes = ProgramOp['attrs'];

export interface ValueShape {
  rows: Rows;
  width: number;
  dtype?: 'f32' | 'i32';
}

/** `count(symbol) · mul / div` in lowest terms. */
export function rowsOf(symbol: string, mul = 1, div = 1): Rows {
  const divisor = greatestCommonDivisor(mul, div);
  return { symbol, mul: mul / divisor, div: div / divisor };
}

/** `rows · factor`, still symbolic. */
export function multipliedRows(rows: Rows, factor: number): Rows {
  if ('symbol' in rows) return rowsOf(rows.symbol, (rows.mul ?? 1) * factor, rows.div ?? 1);
  return { constant: rows.constant * factor };
}

/** `rows / factor`, still symbolic. */
export function dividedRows(rows: Rows, factor: number): Rows {
  if ('symbol' in rows) return rowsOf(rows.symbol, rows.mul ?? 1, (rows.div ?? 1) * factor);
  if (rows.constant % factor !== 0) fail(`${rows.constant} rows cannot be regrouped by ${factor}`);
  return { constant: rows.constant / factor };
}

export function sameRows(a: Rows, b: Rows): boolean {
  if ('constant' in a || 'constant' in b)
    return 'constant' in a && 'constant' in b && a.constant === b.constant;
  return a.symbol === b.symbol && (a.mul ?? 1) === (b.mul ?? 1) && (a.div ?? 1) === (b.div ?? 1);
}

export function rowsText(rows: Rows): string {
  if ('constant' in rows) return String(rows.constant);
  const mul = (rows.mul ?? 1) === 1 ? '' : `·${rows.mul}`;
  return `${rows.symbol}${mul}${(rows.div ?? 1) === 1 ? '' : `/${rows.div}`}`;
}

/** @throws AfterimageError INVALID_PROGRAM */
export function fail(message: string): never {
  throw new AfterimageError('INVALID_PROGRAM', `${message}; correct the model family's file.`);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

export class ProgramWriter {
  readonly name: Program['name'];

  readonly #values: Value[] = [];
  readonly #names = new Set<string>();
  readonly #weights: WeightRecipe[] = [];
  readonly #weightIndex = new Map<string, number>();
  readonly #ops: ProgramOp[] = [];
  readonly #inputs: number[] = [];
  readonly #outputs: number[] = [];
  readonly #kvLayers: KvLayer[] = [];
  readonly #stateElements: number[] = [];

  constructor(name: Program['name']) {
    this.name = name;
  }

  input(name: string, shape: ValueShape): Value {
    const value = this.#value(name, shape);
    this.#inputs.push(value.index);
    return value;
  }

  /** Gives `value` the name under which it can be tapped. */
  named(name: string, value: Value): Value {
    this.#names.delete(value.name);
    this.#claim(name);
    value.name = name;
    return value;
  }

  output(name: string, value: Value): Value {
    this.#outputs.push(value.index);
    return this.named(name, value);
  }

  finish(): Program {
    if (this.#outputs.length === 0) fail(`Program "${this.name}" has no output`);
    const values = this.#values.map(({ name, dtype, rows, width }) => ({ name, dtype, rows, width }));
    const program: Program = {
      name: this.name,
      inputs: this.#inputs,
      outputs: this.#outputs,
      values,
      weights: this.#weights,
      ops: this.#ops,
    };
    if (this.#kvLayers.length > 0) program.kv = { layers: this.#kvLayers };
    if (this.#stateElements.length > 0) program.states = { elements: this.#stateElements };
    return program;
  }

  protected emit(
    op: string,
    inputs: (Value | null)[],
    outputs: ValueShape[],
    weights: (WeightRecipe | null)[] = [],
    attrs: Attributes = {},
  ): Value[] {
    const out = outputs.map((shape) =>
      this.#value(
        `${op}.${this.#ops.length}${outputs.length > 1 ? `.${outputs.indexOf(shape)}` : ''}`,
        shape,
      ),
    );
    this.#ops.push({
      op,
      in: inputs.map((value) => value?.index ?? -1),
      weights: weights.map((recipe) => (recipe ? this.#weight(recipe) : -1)),
      out: out.map((value) => value.index),
      attrs,
    });
    return out;
  }

  /** The cache is that of another program. */
  shareKv(layers: readonly KvLayer[]): void {
    this.#kvLayers.push(...layers);
  }

  /** The next free `layer` of the KV cache. */
  protected addKvLayer(kvHeads: number, kDim: number, vDim: number): number {
    return this.#kvLayers.push({ kvHeads, kDim, vDim }) - 1;
  }

  /** The next free `layer` of recurrent state. */
  protected addState(elements: number): number {
    return this.#stateElements.push(elements) - 1;
  }

  protected kvLayer(layer: number): KvLayer {
    return this.#kvLayers[layer] ?? fail(`KV layer ${layer} is read before it is written`);
  }

  #value(name: string, shape: ValueShape): Value {
    if (!Number.isInteger(shape.width) || shape.width < 1) fail(`Value "${name}" has width ${shape.width}`);
    this.#claim(name);
    const value = {
      index: this.#values.length,
      name,
      dtype: shape.dtype ?? 'f32',
      rows: shape.rows,
      width: shape.width,
    };
    this.#values.push(value);
    return value;
  }

  #claim(name: string): void {
    if (this.#names.has(name)) fail(`Two values are named "${name}"`);
    this.#names.add(name);
  }

  /** A weight used twice (tied head) is stored once. */
  #weight(recipe: WeightRecipe): number {
    const known = this.#weightIndex.get(recipe.name);
    if (known !== undefined) {
      if (JSON.stringify(this.#weights[known]) !== JSON.stringify(recipe)) {
        fail(`Weight "${recipe.name}" is read in two different ways`);
      }
      return known;
    }
    this.#weightIndex.set(recipe.name, this.#weights.length);
    return this.#weights.push(recipe) - 1;
  }
}
