// Matrices as tools beside MLX store them, told by the names of their tensors; bits and groups come from the shapes.
// native/weights/foreign_form.h reads what is described here.
import { AfterimageError } from '../../errors.js';
import type { Checkpoint } from './checkpoint.js';
import { floatTypes, requireShape } from './stored-tensors.js';
import type { Quantization, StoredMatrix } from './stored-tensors.js';

/** Groups of int4_symmetric that kernels read as they are stored. */
const PLAIN_GROUPS = [32, 64, 128];
/** Kernels read columns in blocks of as many. */
const BLOCK = 64;

type Reader = (stored: Stored) => StoredMatrix;

/** The suffix that tells a form, in the order in which they are looked for. */
const READERS: [suffix: string, reader: Reader][] = [
  ['.qweight', gptqOrAwq],
  ['.weight_scale_2', nvfp4],
  ['.weight_global_scale', nvfp4],
  ['.weight_packed', packedIntegers],
  ['.weight_scale_inv', fp8InTiles],
  ['.weight.absmax', bitsandbytes4],
  ['.SCB', bitsandbytes8],
  ['.weight_scale', eightBits],
  ['_scale_inv', stackedFp8],
];

/** Undefined where the module is stored in no such form. @throws AfterimageError INVALID_CHECKPOINT, MODEL_UNSUPPORTED */
export function foreignMatrix(
  checkpoint: Checkpoint,
  path: string,
  shape: number[],
): StoredMatrix | undefined {
  const found = READERS.find(([suffix]) => checkpoint.tensors.has(`${path}${suffix}`));
  return found?.[1](new Stored(checkpoint, path, shape));
}

/** The tensors of one module. */
class Stored {
  readonly checkpoint: Checkpoint;
  readonly path: string;
  readonly shape: number[];
  readonly rows: number;
  readonly columns: number;

  constructor(checkpoint: Checkpoint, path: string, shape: number[]) {
    [this.checkpoint, this.path, this.shape] = [checkpoint, path, shape];
    [this.rows, this.columns] = [shape.at(-2)!, shape.at(-1)!];
  }

  has(suffix: string): boolean {
    return this.checkpoint.tensors.has(`${this.path}${suffix}`);
  }

  name(suffix: string): string {
    return `${this.path}${suffix}`;
  }

  dtype(suffix: string): string {
    return this.checkpoint.tensors.get(this.name(suffix))?.dtype ?? 'nothing';
  }

  axes(suffix: string): number[] {
    return this.checkpoint.tensors.get(this.name(suffix))?.shape ?? [];
  }

  require(suffix: string, shape: number[]): void {
    requireShape(this.checkpoint, this.name(suffix), shape);
  }

  /** Columns of a group, of which there are `count`: config.json tells where the last one is shorter. @throws AfterimageError INVALID_CHECKPOINT */
  groups(count: number): number {
    const { columns } = this;
    const found = statedGroups(stated(this)).find((group) => Math.ceil(columns / group) === count);
    if (found !== undefined) return Math.min(found, columns);
    if (count >= 1 && columns % count === 0) return columns / count;
    throw this.invalid(`its scales do not divide ${columns} columns into groups`);
  }

  invalid(what: string): AfterimageError {
    return new AfterimageError(
      'INVALID_CHECKPOINT',
      `"${this.path}" cannot be read: ${what}; take another upload of this model, or an MLX one.`,
    );
  }

  /** One matrix, as foreign forms are: stacks of experts are stored one by one. */
  matrix(
    suffix: string,
    quantization: Omit<Quantization, 'scales'> & { scales: string },
    others: Partial<Record<'zeros' | 'order', string>> = {},
  ): StoredMatrix {
    if (this.shape.length !== 2) throw this.invalid('experts in one tensor are not stored in this form');
    const { zeros, order } = others;
    return {
      tensor: this.name(suffix),
      quantization: {
        ...quantization,
        scales: [this.name(quantization.scales)],
        ...(zeros !== undefined && this.has(zeros) && { zeros: [this.name(zeros)] }),
        ...(order !== undefined && this.has(order) && { order: [this.name(order)] }),
      },
    };
  }
}

interface Stated {
  group_size?: unknown;
  /** compressed-tensors: by group of modules. */
  config_groups?: Record<string, { weights?: { group_size?: unknown } | null } | null>;
  checkpoint_format?: unknown;
  quant_method?: unknown;
  weight_block_size?: unknown;
}

function stated({ checkpoint: { config } }: Stored): Stated {
  const sections = [config, config['text_config'], config['llm_config']] as (Record<
    string,
    unknown
  > | null)[];
  return Object.assign({}, ...sections.map((section) => section?.['quantization_config'])) as Stated;
}

function statedGroups({ group_size, config_groups = {} }: Stated): number[] {
  const sizes = [group_size, ...Object.values(config_groups).map((group) => group?.weights?.group_size)];
  return sizes.filter((size): size is number => typeof size === 'number' && size > 0);
}

/** GPTQ packs the inputs of an output into words, AWQ the outputs of an input. */
function gptqOrAwq(stored: Stored): StoredMatrix {
  const { rows, columns } = stored;
  const [down, across] = stored.axes('.qweight') as [number, number];
  const group = stored.groups(stored.axes('.scales')[0] ?? 0);
  if (down === columns && across === rows / 8) {
    return stored.matrix(
      '.qweight',
      { mode: 'awq', bits: 4, group, scales: '.scales' },
      { zeros: '.qzeros' },
    );
  }
  const bits = Math.floor((down * 32) / columns);
  if (across !== rows || ![2, 3, 4, 8].includes(bits))
    throw stored.invalid(
      `its codes are [${down}, ${across}], which is neither GPTQ nor AWQ ("gemm") for [${rows}, ${columns}]`,
    );
  const mode = stated(stored).checkpoint_format === 'gptq_v2' ? 'gptq_v2' : 'gptq';
  return stored.matrix(
    '.qweight',
    { mode, bits, group, scales: '.scales' },
    { zeros: '.qzeros', order: '.g_idx' },
  );
}

/** Whole numbers in I32 words: compressed-tensors' pack-quantized. */
function packedIntegers(stored: Stored): StoredMatrix {
  if (stored.dtype('.weight_packed') === 'U8') return nvfp4(stored);
  const { rows, columns } = stored;
  const words = stored.axes('.weight_packed').at(-1) ?? 0;
  const bits = [4, 8].find((width) => Math.ceil((columns * width) / 32) === words);
  if (bits === undefined) throw stored.invalid(`its rows have ${words} words, which is neither 4 nor 8 bits`);
  stored.require('.weight_packed', [...stored.shape.slice(0, -1), words]);
  const group = stored.groups(stored.axes('.weight_scale').at(-1) ?? 0);
  const plain = !stored.has('.weight_zero_point') && !stored.has('.weight_g_idx') && columns % 8 === 0;
  if (plain && bits === 4 && PLAIN_GROUPS.includes(group) && columns % group === 0) {
    stored.require('.weight_scale', [...stored.shape.slice(0, -2), rows, columns / group]);
    return {
      tensor: stored.name('.weight_packed'),
      quantization: { mode: 'int4_symmetric', bits, group, scales: [stored.name('.weight_scale')] },
    };
  }
  return stored.matrix(
    '.weight_packed',
    { mode: 'packed_int', bits, group, scales: '.weight_scale' },
    { zeros: '.weight_zero_point', order: '.weight_g_idx' },
  );
}

/** One byte a value with scales for each row, or one for all: compressed-tensors' int-quantized and float-quantized, and modelopt's fp8. */
function eightBits(stored: Stored): StoredMatrix {
  if (stored.dtype('.weight').startsWith('F8')) return fp8(stored, '.weight_scale');
  if (stored.dtype('.weight') !== 'I8')
    throw stored.invalid(`it has scales, but its values are ${stored.dtype('.weight')}`);
  const scales = stored.axes('.weight_scale');
  const group = stored.groups(scales.length < 2 ? 1 : scales.at(-1)!);
  return stored.matrix(
    '.weight',
    { mode: 'int8', bits: 8, group, scales: '.weight_scale' },
    { zeros: '.weight_zero_point' },
  );
}

function fp8InTiles(stored: Stored): StoredMatrix {
  return fp8(stored, '.weight_scale_inv');
}

/** A stack of experts without a name of its own for values. */
function stackedFp8(stored: Stored): StoredMatrix {
  if (!stored.dtype('').startsWith('F8_E4M3'))
    throw stored.invalid(`it has scales of fp8, but its values are ${stored.dtype('')}`);
  return fp8(stored, '_scale_inv', '');
}

/** E4M3 values with one scale for a tile, a row, or the whole matrix. */
function fp8(stored: Stored, scales: string, codes = '.weight'): StoredMatrix {
  const { rows, columns, shape } = stored;
  stored.require(codes, shape);
  const found = stored.axes(scales);
  const count = found.reduce((a, b) => a * b, 1);
  const wide = Math.ceil(columns / BLOCK) * BLOCK;
  const whole = count === 1;
  const every = shape.slice(0, -1).reduce((a, b) => a * b, 1);
  const byRow = !whole && count === every && (found.length === 1 || found.at(-1) === 1);
  const byMatrix = shape.length > 2 && !byRow && count === shape[0] && found.slice(1).every((n) => n === 1);
  const block: [number, number] = whole || byMatrix ? [rows, wide] : byRow ? [1, wide] : tile(stored);
  if (!whole && !byRow && !byMatrix)
    stored.require(scales, [
      ...shape.slice(0, -2),
      Math.ceil(rows / block[0]),
      Math.ceil(columns / block[1]),
    ]);
  return {
    tensor: stored.name(codes),
    quantization: { mode: 'fp8_block', bits: 8, group: block[1], block, scales: [stored.name(scales)] },
  };
}

function tile(stored: Stored): [number, number] {
  const { weight_block_size: size } = stated(stored);
  return Array.isArray(size) && size.length === 2 ? [Number(size[0]), Number(size[1])] : [128, 128];
}

/** modelopt's (`weight_scale_2`) and compressed-tensors' (`weight_global_scale`): a scale for the whole matrix beside those of groups. */
function nvfp4(stored: Stored): StoredMatrix {
  const codes = stored.has('.weight_packed') ? '.weight_packed' : '.weight';
  const whole = stored.has('.weight_scale_2') ? '.weight_scale_2' : '.weight_global_scale';
  if (!stored.has(whole) || stored.dtype(codes) !== 'U8' || stored.columns % 16 !== 0)
    throw stored.invalid(
      `its codes are ${stored.dtype(codes)} without the scale that NVFP4 has for the whole`,
    );
  const made = stored.matrix(codes, { mode: 'nvfp4_scaled', bits: 4, group: 16, scales: '.weight_scale' });
  made.quantization!.tables = [stored.name(whole)];
  return made;
}

/** nf4 and fp4; what else belongs to the matrix is described in a tensor of its own. */
function bitsandbytes4(stored: Stored): StoredMatrix {
  const state = ['nf4', 'fp4']
    .map((kind) => `.weight.quant_state.bitsandbytes__${kind}`)
    .find((suffix) => stored.has(suffix));
  if (state === undefined || !stored.has('.weight.quant_map'))
    throw stored.invalid('bitsandbytes has left out what its codes mean');
  const nested = stored.has('.weight.nested_absmax')
    ? ['.weight.nested_absmax', '.weight.nested_quant_map']
    : [];
  const made = stored.matrix('.weight', {
    mode: 'bnb_4bit',
    bits: 4,
    group: BLOCK,
    scales: '.weight.absmax',
  });
  made.quantization!.tables = ['.weight.quant_map', state, ...nested].map((suffix) => stored.name(suffix));
  return made;
}

function bitsandbytes8(stored: Stored): StoredMatrix {
  if (stored.dtype('.weight') !== 'I8')
    throw stored.invalid(`its values are ${stored.dtype('.weight')}, not I8`);
  if (!floatTypes.includes(stored.dtype('.SCB'))) throw stored.invalid('its scales are no numbers');
  return stored.matrix('.weight', { mode: 'bnb_int8', bits: 8, group: stored.columns, scales: '.SCB' });
}
