// Rotary frequencies: how config.json spells them, how they are scaled, and which position axis each one reads.
// Su et al. 2021 (RoPE), Peng et al. 2023 (YaRN), Wang et al. 2024 (M-RoPE, Qwen2-VL).
import { AfterimageError } from '../errors.js';
import { Config, MOST_PARTS } from './checkpoint/config.js';

export interface RopeSettings {
  theta: number;
  type: 'default' | 'linear' | 'llama3' | 'yarn' | 'proportional';
  /** The section that holds the scaling's own numbers. */
  scaling: Config;
}

const TYPES: RopeSettings['type'][] = ['default', 'linear', 'llama3', 'yarn', 'proportional'];
/** Dynamic scaling begins behind the context that the model was trained with, where no prompt reaches. */
const UNSCALED = new Set(['mrope', 'dynamic']);
const isKnown = (type: string): type is RopeSettings['type'] => (TYPES as string[]).includes(type);

/** `rope_parameters` (new; may hold one section per layer type) or `rope_theta` with `rope_scaling` (old). */
export function ropeSettings(
  text: Config,
  options: { layerType?: string; theta?: number } = {},
): RopeSettings {
  const empty = new Config({}, `${text.where}.rope_scaling`);
  let scaling = text.has('rope_parameters')
    ? text.section('rope_parameters')
    : text.sectionOr('rope_scaling', empty);
  if (options.layerType && scaling.has(options.layerType)) scaling = scaling.section(options.layerType);
  const theta = scaling.has('rope_theta')
    ? scaling.number('rope_theta')
    : text.number('rope_theta', options.theta);
  const named = scaling.string(scaling.spelling('rope_type', 'type'), 'default');
  const type = UNSCALED.has(named) ? 'default' : named;
  if (!isKnown(type)) {
    throw new AfterimageError(
      'MODEL_UNSUPPORTED',
      `The rotary scaling "${named}" in ${scaling.where} is not supported; ${TYPES.slice(0, -1).join(', ')} and ${TYPES.at(-1)} are.`,
    );
  }
  return { theta, type, scaling };
}

/** Gemma's sliding layers have a frequency base of their own and no scaling. */
export function localRopeSettings(text: Config): RopeSettings {
  if (text.has('rope_parameters')) return ropeSettings(text, { layerType: 'sliding_attention', theta: 1e4 });
  const theta = text.number('rope_local_base_freq', 1e4);
  return { theta, type: 'default', scaling: new Config({}, text.where) };
}

/** @throws AfterimageError INVALID_CHECKPOINT where a head would be wider than any is: its tensors are looked at later. */
function checkWidth(values: number): void {
  if (values <= MOST_PARTS) return;
  throw new AfterimageError(
    'INVALID_CHECKPOINT',
    `Expected ${MOST_PARTS} values at most in an attention head but the settings say ${values}; download the checkpoint again.`,
  );
}

/** f_j = θ^(−2j/dim), j < dim/2. @throws AfterimageError INVALID_CHECKPOINT for far too wide a head */
export function geometricFrequencies(theta: number, dim: number): number[] {
  checkWidth(dim);
  return Array.from({ length: dim / 2 }, (_, j) => theta ** ((-2 * j) / dim));
}

export function inverseFrequencies({ theta, type, scaling }: RopeSettings, dim: number): number[] {
  const frequencies = geometricFrequencies(theta, dim);
  if (type === 'linear') return frequencies.map((f) => f / scaling.number('factor'));
  if (type === 'llama3') return frequencies.map((f) => llama3Frequency(f, scaling));
  if (type === 'yarn') return yarnFrequencies(frequencies, theta, dim, scaling);
  if (type === 'proportional') {
    const turning = Math.floor((scaling.number('partial_rotary_factor', 1) * dim) / 2);
    return frequencies.map((f, j) => (j < turning ? f : 0));
  }
  return frequencies;
}

/** Multiplier of cos and sin; differs from 1 only for YaRN. */
export function ropeAttentionFactor({ type, scaling }: RopeSettings): number {
  if (type !== 'yarn') return 1;
  if (scaling.has('attention_factor')) return scaling.number('attention_factor');
  const factor = scaling.number('factor');
  if (scaling.number('mscale', 0) !== 0 && scaling.number('mscale_all_dim', 0) !== 0) {
    return (
      yarnMagnitude(factor, scaling.number('mscale')) /
      yarnMagnitude(factor, scaling.number('mscale_all_dim'))
    );
  }
  return yarnMagnitude(factor, 1);
}

export function yarnMagnitude(factor: number, mscale: number): number {
  return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
}

/** Wavelengths beyond the original context are stretched by `factor`, with a smooth transition. Llama 3.1. */
function llama3Frequency(f: number, scaling: Config): number {
  const context = scaling.number('original_max_position_embeddings');
  const [low, high] = [scaling.number('low_freq_factor'), scaling.number('high_freq_factor')];
  const turns = (context * f) / (2 * Math.PI);
  const keep = Math.min(1, Math.max(0, (turns - low) / (high - low)));
  return (1 - keep) * (f / scaling.number('factor')) + keep * f;
}

function yarnFrequencies(frequencies: number[], theta: number, dim: number, scaling: Config): number[] {
  const context = scaling.number('original_max_position_embeddings');
  // Index of the frequency that makes `turns` turns over the original context.
  const indexOf = (turns: number): number =>
    (dim * Math.log(context / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const truncate = scaling.boolean('truncate', true);
  const first = indexOf(scaling.number('beta_fast', 32));
  const last = indexOf(scaling.number('beta_slow', 1));
  const low = Math.max(truncate ? Math.floor(first) : first, 0);
  const high = Math.min(truncate ? Math.ceil(last) : last, dim - 1);
  const span = high === low ? 0.001 : high - low;
  return frequencies.map((f, j) => {
    const ramp = Math.min(1, Math.max(0, (j - low) / span));
    return (f / scaling.number('factor')) * ramp + f * (1 - ramp);
  });
}

/** Sections [T, H, W] of the frequencies in a row: T…TH…HW…W. */
export function sectionedAxes(sections: number[]): number[] {
  sections.forEach(checkWidth);
  return sections.flatMap((count, axis) => new Array<number>(count).fill(axis));
}

/** THWTHW…, until H and W have their counts; the rest T. */
export function interleavedAxes(sections: number[], count: number): number[] {
  checkWidth(count);
  return Array.from({ length: count }, (_, i) => (i % 3 > 0 && i < 3 * (sections[i % 3] ?? 0) ? i % 3 : 0));
}
