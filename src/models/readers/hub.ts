// PP-OCRv5 mobile as the hub has it (transformers' PPOCRV5Mobile…, PP-LCNetV3 with branches side by side, as it was
// trained): every branch, norm and affine block folded into one convolution.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ActivationName } from '../../graph/builder.js';
import { AfterimageError } from '../../errors.js';
import { readJson } from '../checkpoint/json-file.js';
import { tensorsOf, type Tensor } from './safetensors.js';
import { affine, batchNorm, doubled, repeated, widened } from './folding.js';
import type {
  ConvolutionLayer,
  DetectorNetwork,
  Gate,
  GatedConvolution,
  LcNet,
  LcNetBlock,
  LinearLayer,
  NormLayer,
  RecogniserNetwork,
} from './networks.js';

type Stride = [number, number];

/** [kernel, in, out, stride, squeeze and excite]; widths before scaling. */
type BlockConfig = [number, number, number, number | Stride, boolean];

export interface HubConfig {
  model_type: string;
  backbone_config: { block_configs: BlockConfig[][]; stem_stride?: number | Stride; hidden_act?: string };
  num_attention_heads?: number;
  layer_norm_eps?: number;
}

const BATCH_NORM_EPS = 1e-5;

/** A folder's config.json and model.safetensors. @throws AfterimageError INVALID_CHECKPOINT */
export async function openHubFolder(folder: string): Promise<{ config: HubConfig; weights: HubWeights }> {
  const config = readJson(folder, 'config.json') as HubConfig | undefined;
  const file = join(folder, 'model.safetensors');
  if (!config?.backbone_config?.block_configs)
    throw new AfterimageError(
      'INVALID_CHECKPOINT',
      `"${folder}" has no config.json of a text network with its backbone's blocks; download it again.`,
    );
  const tensors = tensorsOf(await readFile(file), file);
  return { config, weights: new HubWeights(tensors, file) };
}

export class HubWeights {
  readonly #tensors: Map<string, Tensor>;
  readonly #file: string;

  constructor(tensors: Map<string, Tensor>, file: string) {
    this.#tensors = tensors;
    this.#file = file;
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  tensor(name: string): Tensor {
    const found = this.#tensors.get(name);
    if (found) return found;
    throw new AfterimageError(
      'INVALID_CHECKPOINT',
      `"${this.#file}" has no f32 tensor "${name}"; use a checkpoint that matches its config.json.`,
    );
  }

  vector(name: string): Float32Array {
    return this.tensor(name).data;
  }

  plain(path: string, stride: Stride = [1, 1]): ConvolutionLayer {
    const { shape, data } = this.tensor(`${path}.weight`);
    const bias = this.has(`${path}.bias`) ? this.vector(`${path}.bias`) : new Float32Array(shape[0]!);
    return { shape, weight: data, bias, stride };
  }

  /** The norm's channels repeated `times` over the layer's outputs. */
  normed(layer: ConvolutionLayer, path: string, times = 1): ConvolutionLayer {
    const vector = (name: string): Float32Array => repeated(this.vector(`${path}.${name}`), times);
    return batchNorm(layer, {
      weight: vector('weight'),
      bias: vector('bias'),
      mean: vector('running_mean'),
      variance: vector('running_var'),
      eps: BATCH_NORM_EPS,
    });
  }

  convolution(path: string, stride?: Stride): ConvolutionLayer {
    return this.normed(this.plain(`${path}.convolution`, stride), `${path}.normalization`);
  }

  linear(path: string): LinearLayer {
    const { shape, data } = this.tensor(`${path}.weight`);
    return { shape, weight: data, bias: this.vector(`${path}.bias`) };
  }

  norm(path: string, eps: number): NormLayer {
    return { weight: this.vector(`${path}.weight`), bias: this.vector(`${path}.bias`), eps };
  }
}

export function hubDetector(weights: HubWeights, config: HubConfig): DetectorNetwork {
  const four = [0, 1, 2, 3];
  const gated = (path: string): GatedConvolution => ({
    convolution: weights.plain(`${path}.in_conv`),
    gate: neckGate(weights, `${path}.squeeze_excitation_block`),
  });
  const head = weights.normed(weights.plain('head.conv_down.convolution'), 'head.conv_down.norm');
  return {
    backbone: backbone(weights, config),
    laterals: four.map((i) => weights.plain(`model.layer.${i}`)),
    inserts: four.map((i) => gated(`model.neck.insert_conv.${i}`)),
    inputs: four.map((i) => gated(`model.neck.input_conv.${i}`)),
    head: { ...head, activation: 'relu' },
    doublings: [
      doubling(weights, 'head.conv_up.convolution', 'relu', 'head.conv_up.norm'),
      doubling(weights, 'head.conv_final', 'sigmoid'),
    ],
  };
}

export function hubRecogniser(weights: HubWeights, config: HubConfig): RecogniserNetwork {
  const { num_attention_heads: heads = 8, layer_norm_eps: eps = 1e-6 } = config;
  const blocks: RecogniserNetwork['blocks'] = [];
  for (let i = 0; weights.has(`head.encoder.svtr_block.${i}.self_attn.qkv.weight`); i++) {
    const path = `head.encoder.svtr_block.${i}`;
    blocks.push({
      norms: [weights.norm(`${path}.layer_norm1`, eps), weights.norm(`${path}.layer_norm2`, eps)],
      qkv: weights.linear(`${path}.self_attn.qkv`),
      projection: weights.linear(`${path}.self_attn.projection`),
      mlp: [weights.linear(`${path}.mlp.fc1`), weights.linear(`${path}.mlp.fc2`)],
    });
  }
  return {
    backbone: backbone(weights, config),
    neck: [0, 1, 2, 3, 4].map((i) => ({
      ...weights.convolution(`head.encoder.conv_block.${i}`),
      activation: 'silu',
    })),
    heads,
    blocks,
    norm: weights.norm('head.encoder.norm', eps),
    classes: weights.linear('head.head'),
  };
}

function strideOf(stride: number | Stride): Stride {
  return typeof stride === 'number' ? [stride, stride] : stride;
}

function backbone(weights: HubWeights, { backbone_config: config }: HubConfig): LcNet {
  if ((config.hidden_act ?? 'hardswish') !== 'hardswish')
    throw new AfterimageError(
      'MODEL_UNSUPPORTED',
      `A text network's backbone with the activation "${config.hidden_act}" is not supported; use one with "hardswish".`,
    );
  const encoder = 'model.backbone.encoder';
  return {
    stem: weights.convolution(`${encoder}.convolution`, strideOf(config.stem_stride ?? 2)),
    stages: config.block_configs.map((blocks, s) =>
      blocks.map(([, , , stride, gate], b) => {
        const path = `${encoder}.blocks.${s}.layers.${b}`;
        return {
          // Only a stride that is given as the number 2 goes without its activation.
          depthwise: branches(weights, `${path}.depthwise_convolution`, strideOf(stride), stride !== 2),
          ...(gate ? { gate: blockGate(weights, `${path}.squeeze_excitation_module.convolutions`) } : {}),
          pointwise: branches(weights, `${path}.pointwise_convolution`, [1, 1], true),
        } as LcNetBlock;
      }),
    ),
  };
}

/** The sum of k × k and 1 × 1 convolutions and the identity, each with a norm, then an affine block. */
function branches(weights: HubWeights, path: string, stride: Stride, active: boolean): ConvolutionLayer {
  const parts: ConvolutionLayer[] = [];
  for (let i = 0; weights.has(`${path}.conv_symmetric.${i}.convolution.weight`); i++)
    parts.push(weights.convolution(`${path}.conv_symmetric.${i}`, stride));
  const kernel = parts[0]?.shape.slice(2) ?? [1, 1];
  const [out, inside] = weights.tensor(`${path}.conv_symmetric.0.convolution.weight`).shape as [
    number,
    number,
  ];
  if (weights.has(`${path}.conv_small_symmetric.convolution.weight`))
    parts.push(widened(weights.convolution(`${path}.conv_small_symmetric`, stride), kernel));
  if (weights.has(`${path}.identity.weight`))
    parts.push(widened(weights.normed(identity(out, inside), `${path}.identity`), kernel));
  const sum: ConvolutionLayer = {
    ...parts[0]!,
    weight: parts[0]!.weight.map((_, i) => parts.reduce((total, part) => total + part.weight[i]!, 0)),
    bias: parts[0]!.bias.map((_, i) => parts.reduce((total, part) => total + part.bias[i]!, 0)),
  };
  const settled = affine(sum, weights.vector(`${path}.lab.scale`), weights.vector(`${path}.lab.bias`));
  if (!active) return settled;
  const [scale, shift] = ['scale', 'bias'].map((name) => weights.vector(`${path}.act.lab.${name}`)[0]!);
  return { ...settled, activation: 'hard_swish', scale: scale!, shift: shift! };
}

/** 1 × 1, dense where `inside` is all channels, depthwise where it is 1. */
function identity(out: number, inside: number): ConvolutionLayer {
  const weight = new Float32Array(out * inside);
  for (let o = 0; o < out; o++) weight[o * inside + (inside === 1 ? 0 : o)] = 1;
  return { shape: [out, inside, 1, 1], weight, bias: new Float32Array(out), stride: [1, 1] };
}

function blockGate(weights: HubWeights, path: string): Gate {
  return [
    { ...weights.plain(`${path}.0`), activation: 'relu' },
    { ...weights.plain(`${path}.2`), activation: 'hard_sigmoid' },
  ];
}

/** Its gate is min(max(x / 5 + ½, 0), 1), which is hard_sigmoid(1.2 · x). */
function neckGate(weights: HubWeights, path: string): Gate {
  return [
    { ...weights.plain(`${path}.conv1`), activation: 'relu' },
    { ...affine(weights.plain(`${path}.conv2`), [1.2], [0]), activation: 'hard_sigmoid' },
  ];
}

function doubling(
  weights: HubWeights,
  path: string,
  activation: ActivationName,
  norm?: string,
): ConvolutionLayer {
  const { shape, data } = weights.tensor(`${path}.weight`);
  const [inputs, outs] = shape as [number, number];
  const layer = doubled(data, inputs, outs, weights.vector(`${path}.bias`));
  return { ...(norm ? weights.normed(layer, norm, 4) : layer), activation };
}
