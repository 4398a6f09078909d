// Turns logical names ("layers.3.mlp.down_proj") into recipes over stored tensors: prefixes as the hub has them, old
// and new, Hugging Face and MLX; layouts of kernels and experts; quantized forms.
import { AfterimageError } from '../../errors.js';
import type { WeightModule } from '../../graph/builder.js';
import type { WeightRecipe } from '../../graph/program.js';
import type { Checkpoint } from './checkpoint.js';
import { floats, storedMatrix } from './quantization.js';

/** A part of the model under one prefix: `text('layers.0.input_layernorm')`. */
export type WeightScope = (name: string) => CheckpointModule;

/**
 * @param prefixes Spellings of this part's prefix; the one under which `probe` is stored is used.
 * @throws AfterimageError INVALID_CHECKPOINT where none is.
 */
export function weightScope(checkpoint: Checkpoint, prefixes: string[], probe: string): WeightScope {
  const prefix = prefixes.find((candidate) => storedUnder(checkpoint, `${candidate}${probe}`));
  if (prefix === undefined) {
    const others = prefixes.slice(1).map((other) => `"${other}"`);
    const next = prefixes.some((other) => /vision|visual|projector|connector/.test(other))
      ? 'where its vision weights lie in another folder, name that with --vision DIR, else take another upload of this model'
      : 'download the checkpoint again';
    throw new AfterimageError(
      'INVALID_CHECKPOINT',
      `Tensor "${prefixes[0]}${probe}.weight" is missing, also under the prefixes ${others.join(', ')}; ${next}.`,
    );
  }
  return (name) => new CheckpointModule(checkpoint, `${prefix}${name}`);
}

/** The output head: the token table where tied, else a tensor of its own (old and new name). */
export function outputHead(
  checkpoint: Checkpoint,
  embedTokens: CheckpointModule,
  tied: boolean,
): CheckpointModule {
  return tied ? embedTokens : weightModule(checkpoint, ['lm_head', 'language_model.lm_head']);
}

/** The first path that is stored, or the first of all, whose absence is then reported. */
export function weightModule(checkpoint: Checkpoint, paths: string[]): CheckpointModule {
  return new CheckpointModule(checkpoint, paths.find((path) => storedUnder(checkpoint, path)) ?? paths[0]!);
}

/** Whether a module is stored, in any form. */
export function storedUnder(checkpoint: Checkpoint, path: string): boolean {
  return ['.weight', '.weight_packed', '.qweight', ''].some((suffix) =>
    checkpoint.tensors.has(`${path}${suffix}`),
  );
}

/** Of a tensor from which a family reads sizes. @throws AfterimageError INVALID_CHECKPOINT where it is missing */
export function storedShape(checkpoint: Checkpoint, name: string): number[] {
  const info = checkpoint.tensors.get(name);
  if (info) return info.shape;
  throw new AfterimageError(
    'INVALID_CHECKPOINT',
    `Tensor "${name}" is missing; download the checkpoint again.`,
  );
}

export class CheckpointModule implements WeightModule {
  readonly #checkpoint: Checkpoint;
  readonly path: string;

  constructor(checkpoint: Checkpoint, path: string) {
    this.#checkpoint = checkpoint;
    this.path = path;
  }

  get exists(): boolean {
    return storedUnder(this.#checkpoint, this.path);
  }

  get hasBias(): boolean {
    return this.#checkpoint.tensors.has(`${this.path}.bias`);
  }

  matrix(rows: number, columns: number): WeightRecipe {
    return this.#recipe([rows, columns]);
  }

  vector(length: number): WeightRecipe {
    return this.parameter([length], '.weight');
  }

  bias(length: number): WeightRecipe {
    return this.parameter([length], '.bias');
  }

  /** A bare float tensor; `suffix` '' where the path itself is its name. */
  parameter(shape: number[], suffix = ''): WeightRecipe {
    return this.#of(floats(this.#checkpoint, `${this.path}${suffix}`, shape).tensor, shape);
  }

  /** One bare number, stored without axes or as a vector of one. */
  scalar(suffix = ''): WeightRecipe {
    const name = `${this.path}${suffix}`;
    const { tensor } = floats(
      this.#checkpoint,
      name,
      this.#checkpoint.tensors.get(name)?.shape.length ? [1] : [],
    );
    return this.#of(tensor, [1]);
  }

  /** A bare matrix stored as [columns, rows] and read transposed. */
  transposed(rows: number, columns: number): WeightRecipe {
    const { tensor } = floats(this.#checkpoint, this.path, [columns, rows]);
    return this.#of(tensor, [rows, columns], [1, 0]);
  }

  /** A position table of any leading axes, read as [positions, width]. */
  table(stored: number[], width: number, suffix = '.weight'): WeightRecipe {
    const rows = stored.reduce((a, b) => a * b, 1) / width;
    if (stored.length === 2) return this.#recipe([rows, width]);
    const { tensor } = floats(this.#checkpoint, `${this.path}${suffix}`, stored);
    return this.#of(tensor, [rows, width]);
  }

  /**
   * A convolution over whole patches as a matrix [out, channels·…kernel], columns channel-major.
   * Hugging Face stores [out, channels, …kernel], MLX [out, …kernel, channels].
   */
  patchKernel(out: number, channels: number, kernel: number[]): WeightRecipe {
    const tensor = `${this.path}.weight`;
    const size = kernel.reduce((a, b) => a * b, channels);
    const mlx = [out, ...kernel, channels];
    if (this.#checkpoint.tensors.get(tensor)?.shape.join() === mlx.join()) {
      floats(this.#checkpoint, tensor, mlx);
      return this.#of(tensor, [out, size], [0, kernel.length + 1, ...kernel.map((_, i) => i + 1)]);
    }
    floats(this.#checkpoint, tensor, [out, channels, ...kernel]);
    return this.#of(tensor, [out, size]);
  }

  /** A depthwise kernel [channels, width]: stored [C, 1, K] (Hugging Face) or [C, K, 1] (MLX), the same bytes. */
  depthwiseKernel(channels: number, width: number): WeightRecipe {
    const tensor = `${this.path}.weight`;
    const shape = this.isMlxDepthwise() ? [channels, width, 1] : [channels, 1, width];
    floats(this.#checkpoint, tensor, shape);
    return this.#of(tensor, [channels, width]);
  }

  /**
   * A convolution as a matrix [out, taps·channels], the channels of one tap together. Hugging Face stores
   * [out, channels, …kernel], MLX [out, …kernel, channels]; numbers alone do not always tell which.
   */
  tapKernel(out: number, channels: number, kernel: number[], channelsLast: boolean): WeightRecipe {
    const tensor = `${this.path}.weight`;
    floats(this.#checkpoint, tensor, channelsLast ? [out, ...kernel, channels] : [out, channels, ...kernel]);
    const size = kernel.reduce((a, b) => a * b, channels);
    const recipe: WeightRecipe = { name: tensor, shape: [out, size], tensors: [tensor] };
    return channelsLast ? recipe : { ...recipe, permute: [0, ...kernel.map((_, i) => i + 2), 1] };
  }

  /** A depthwise kernel [taps, channels]: stored [C, 1, …kernel] (Hugging Face) or [C, …kernel, 1] (MLX). */
  depthwiseTaps(channels: number, kernel: number[]): WeightRecipe {
    const tensor = `${this.path}.weight`;
    const axes = this.isMlxDepthwise() ? { one: kernel.length + 1, first: 1 } : { one: 1, first: 2 };
    floats(this.#checkpoint, tensor, axes.one === 1 ? [channels, 1, ...kernel] : [channels, ...kernel, 1]);
    return {
      name: tensor,
      shape: [kernel.reduce((a, b) => a * b, 1), channels],
      tensors: [tensor],
      permute: [...kernel.map((_, i) => i + axes.first), axes.one, 0],
    };
  }

  isMlxDepthwise(): boolean {
    return this.#checkpoint.tensors.get(`${this.path}.weight`)?.shape.at(-1) === 1;
  }

  /** Rows [start, start + count) of a matrix of `rows` rows. */
  rows(rows: number, columns: number, start: number, count: number): WeightRecipe {
    const recipe = this.#recipe([rows, columns]);
    return {
      ...recipe,
      name: `${recipe.name}[${start}:${start + count}]`,
      shape: [count, columns],
      slice: { axis: 0, start, count },
    };
  }

  /** Experts stored as one tensor [experts, rows, columns]. */
  stackedExperts(experts: number, rows: number, columns: number): WeightRecipe {
    return this.#recipe([experts, rows, columns]);
  }

  /** Experts stored as one tensor [experts, columns, rows] of floats, or of fp8 in tiles. */
  transposedExperts(experts: number, rows: number, columns: number): WeightRecipe {
    const { tensor, quantization } = storedMatrix(this.#checkpoint, this.path, [experts, columns, rows]);
    const recipe: WeightRecipe = {
      name: tensor,
      shape: [experts, rows, columns],
      tensors: [tensor],
      permute: [0, 2, 1],
    };
    if (!quantization) return recipe;
    const [down, across] = quantization.block ?? [0, 0];
    const whole = down % 64 === 0 || down >= columns; // kernels read columns in blocks of 64
    if (quantization.mode !== 'fp8_block' || !whole)
      throw this.#unread(`stacked and turned as ${quantization.mode}`);
    const wide = Math.ceil(down / 64) * 64;
    return { ...recipe, quantization: { ...quantization, group: wide, block: [across, wide] } };
  }

  /** One matrix [rows, columns] for each head, stored as [heads, rows, columns]. */
  headRows(heads: number, rows: number, columns: number): WeightRecipe {
    return { ...this.#recipe([heads, rows, columns]), shape: [heads * rows, columns] };
  }

  /** The same, stored as [heads, columns, rows]. */
  turnedHeads(heads: number, rows: number, columns: number): WeightRecipe {
    const { quantization, ...recipe } = this.#recipe([heads, columns, rows]);
    const shape = [heads * rows, columns];
    if (!quantization) return { ...recipe, shape, permute: [0, 2, 1] };
    if (quantization.mode !== 'affine') throw this.#unread(`turned as ${quantization.mode}`);
    return { ...recipe, shape, quantization: { ...quantization, mode: 'affine_turned' } };
  }

  #unread(how: string): AfterimageError {
    return new AfterimageError(
      'MODEL_UNSUPPORTED',
      `"${this.path}" is stored ${how}, which is not supported; take an affine (4 bit) MLX or an unquantized checkpoint of the same model.`,
    );
  }

  /** Experts stored one by one as `path.E.name`, stacked in order. */
  listedExperts(experts: number, name: string, rows: number, columns: number): WeightRecipe {
    const parts = Array.from({ length: experts }, (_, e) =>
      storedMatrix(this.#checkpoint, `${this.path}.${e}.${name}`, [rows, columns]),
    );
    const recipe: WeightRecipe = {
      name: `${this.path}.*.${name}`,
      shape: [experts, rows, columns],
      tensors: parts.map((part) => part.tensor),
    };
    const first = parts[0]!.quantization;
    if (!first) return recipe;
    const odd = parts.findIndex(
      (part) =>
        part.quantization?.mode !== first.mode ||
        part.quantization.bits !== first.bits ||
        part.quantization.group !== first.group,
    );
    if (odd >= 0)
      throw new AfterimageError(
        'INVALID_CHECKPOINT',
        `Expert ${odd} of "${this.path}" is quantized differently from expert 0; use a checkpoint with uniform experts.`,
      );
    recipe.quantization = { ...first };
    for (const key of ['scales', 'biases', 'zeros', 'order', 'tables'] as const)
      if (first[key])
        recipe.quantization[key] = parts.flatMap(({ quantization }) => quantization![key] ?? []);
    return recipe;
  }

  /** The dtype in which this module computes in the reference: of its values, or of its scales where quantized. */
  get dtype(): string {
    const name = [`${this.path}.scales`, `${this.path}.weight`].find((tensor) =>
      this.#checkpoint.tensors.has(tensor),
    );
    const info = name === undefined ? undefined : this.#checkpoint.tensors.get(name)!;
    // What a converter packed or widened was published in bfloat16.
    return info?.made ? 'BF16' : (info?.dtype ?? 'F32');
  }

  /** Of the stored `weight`; undefined where there is none. */
  get shape(): number[] | undefined {
    return this.#checkpoint.tensors.get(`${this.path}.weight`)?.shape;
  }

  /** Whether the bare tensor `path` is stored with this shape. */
  hasShape(shape: number[]): boolean {
    return this.#checkpoint.tensors.get(this.path)?.shape.join() === shape.join();
  }

  /** Whether a norm's weights are stored with the 1 that its family adds to them. */
  get holdsOnePlus(): boolean {
    return this.#checkpoint.tensors.get(`${this.path}.weight`)?.plusOne === true;
  }

  #recipe(shape: number[]): WeightRecipe {
    const { tensor, quantization } = storedMatrix(this.#checkpoint, this.path, shape);
    return { ...this.#of(tensor, shape), ...(quantization && { quantization }) };
  }

  /** A weight that is one stored tensor, or made of several. */
  #of(tensor: string, shape: number[], permute?: number[]): WeightRecipe {
    const made = this.#checkpoint.tensors.get(tensor)?.made;
    if (made?.values) return { name: tensor, shape, tensors: [], values: made.values };
    const order = permute ?? made?.permute;
    return { name: tensor, shape, tensors: made?.tensors ?? [tensor], ...(order && { permute: order }) };
  }
}

/** Some rows of a module that files store as part of a larger one: the queries of a joint projection of q, k and v. */
class PartOfModule extends CheckpointModule {
  readonly #total: number;
  readonly #start: number;

  constructor(checkpoint: Checkpoint, path: string, total: number, start: number) {
    super(checkpoint, path);
    this.#total = total;
    this.#start = start;
  }

  override matrix(rows: number, columns: number): WeightRecipe {
    return this.rows(this.#total, columns, this.#start, rows);
  }

  override bias(length: number): WeightRecipe {
    const whole = this.parameter([this.#total], '.bias');
    const slice = { axis: 0, start: this.#start, count: length };
    return {
      ...whole,
      name: `${whole.name}[${slice.start}:${slice.start + length}]`,
      shape: [length],
      slice,
    };
  }
}

/**
 * A part of the model whose files use other names: the first rule that matches makes one of ours theirs. What becomes
 * "….qkv" is a third of that module of 3·`width` rows: the one that the name's q_, k_ or v_ says.
 */
export function renamedScope(
  checkpoint: Checkpoint,
  theirs: WeightScope,
  rules: readonly (readonly [RegExp, string])[],
  width: number,
): WeightScope {
  return (name) => {
    const rule = rules.find(([pattern]) => pattern.test(name));
    const module = theirs(rule ? name.replace(...rule) : name);
    if (!module.path.endsWith('.qkv')) return module;
    const part = ['q', 'k', 'v'].findIndex((letter) => name.endsWith(`.${letter}_proj`));
    return new PartOfModule(checkpoint, module.path, 3 * width, part * width);
  };
}
