// Which quantization config.json states, to refuse a checkpoint before its weights are downloaded. Once they are there,
// the tensors themselves tell (quantization.ts).
import { AfterimageError } from '../../errors.js';
import type { Json } from './json-file.js';

const MLX_MODES = ['affine', 'mxfp4', 'mxfp8', 'nvfp4'];
/** compressed-tensors' `format`s; a mix names the format of each group of modules. */
const COMPRESSED = [
  'dense',
  'pack-quantized',
  'int-quantized',
  'naive-quantized',
  'float-quantized',
  'nvfp4-pack-quantized',
  'mixed-precision',
];
const MODELOPT = ['FP8', 'NVFP4'];
const AUTO_ROUND = /^(auto_round:)?(auto_)?(gptq|awq)/;

/**
 * @param instead Name of a checkpoint of the same family that works.
 * @throws AfterimageError MODEL_UNSUPPORTED naming the method.
 */
export function requireReadableQuantization(config: Json, instead?: string): void {
  for (const section of [config, config['text_config'], config['llm_config']]) {
    const { quantization, quantization_config: stated } = object(section);
    // What MLX converted may still state what it was converted from.
    const unknown = quantization ? unreadableMlx(object(quantization)) : unreadable(object(stated));
    if (unknown === undefined) continue;
    const such = instead === undefined ? '' : `, such as "${instead}"`;
    throw new AfterimageError(
      'MODEL_UNSUPPORTED',
      `This checkpoint is quantized by ${unknown}, which is not supported; take an MLX, GPTQ, AWQ or unquantized one of the same model${such}.`,
    );
  }
}

/** What cannot be read, in words; undefined where all can. */
function unreadable(stated: Json): string | undefined {
  const { quant_method: method, format } = stated;
  switch (method) {
    case undefined:
    case null:
    case 'mlx':
      return unreadableMlx(stated);
    case 'fp8':
    case 'fbgemm_fp8':
    case 'bitsandbytes':
    case 'gguf':
      return undefined;
    case 'gptq':
      return unlessIn(stated, 'bits', [2, 3, 4, 8], 'GPTQ');
    case 'awq':
      return unlessIn(stated, 'bits', [4], 'AWQ') ?? unlessIn(stated, 'version', ['gemm', 'GEMM'], 'AWQ');
    case 'auto-round':
      return AUTO_ROUND.test(String(stated['packing_format'] ?? 'auto_gptq'))
        ? undefined
        : `auto-round as "${String(stated['packing_format'])}"`;
    case 'modelopt':
      return unlessIn(stated, 'quant_algo', MODELOPT, 'modelopt');
    case 'compressed-tensors':
      return format === undefined || COMPRESSED.includes(String(format))
        ? undefined
        : `"${method}" as "${String(format)}"`;
    default:
      return `"${String(method)}"`;
  }
}

function unlessIn(stated: Json, key: string, known: readonly unknown[], name: string): string | undefined {
  const value = stated[key];
  return value === undefined || value === null || known.includes(value)
    ? undefined
    : `${name} with ${key} ${JSON.stringify(value)}`;
}

/** MLX writes the same under both keys, with one entry per module that differs. */
function unreadableMlx({ mode }: Json): string | undefined {
  return mode === undefined || MLX_MODES.includes(String(mode)) ? undefined : `MLX's "${String(mode)}"`;
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}
