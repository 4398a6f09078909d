// Qwen3.5: three layers of gated delta rule for every layer of gated attention (Yang et al. 2024,
// https://arxiv.org/abs/2412.06464; Qwen3-Next), with or without experts. The vision encoder is Qwen3-VL's.
import { GraphBuilder, type Value } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import { closeDecoder, openDecoder } from './decoders/decoder-frame.js';
import { routedExperts, type ExpertShape } from './decoders/experts.js';
import type { Family, Model } from './family.js';
import { gatedMlp } from './decoders/llama.js';
import { qwenModel, textWeights, visionWeights } from './qwen2_vl.js';
import { qwen3Processor, qwen3VisionConfig, qwen3VisionEncoder } from './towers/qwen3.js';
import { interleavedAxes, inverseFrequencies, ropeSettings } from './rope.js';
import { outputHead, type CheckpointModule, type WeightScope } from './checkpoint/weights.js';

export const qwen3_5: Family = {
  modelTypes: ['qwen3_5'],
  bestAt: 'screens, reading, general',
  checkpoints: [
    { name: 'Qwen/Qwen3.5-0.8B', parameters: 852_985_920, towerParameters: 100_592_896 },
    { name: 'Qwen/Qwen3.5-4B', parameters: 4_539_265_536, towerParameters: 333_514_240 },
    { name: 'Qwen/Qwen3.5-9B', parameters: 9_409_813_744, towerParameters: 456_010_480 },
    { name: 'Qwen/Qwen3.5-27B', parameters: 27_356_728_560, towerParameters: 460_730_096 },
    {
      name: 'mlx-community/Qwen3.5-4B-MLX-4bit',
      parameters: 4_539_265_536,
      towerParameters: 333_514_240,
    },
    {
      name: 'mlx-community/Qwen3.5-9B-MLX-4bit',
      parameters: 9_409_813_744,
      towerParameters: 456_010_480,
    },
    { name: 'mlx-community/Qwen3.5-27B-4bit', parameters: 27_356_728_560, towerParameters: 460_730_096 },
    { name: 'mlx-community/Qwen3.6-27B-mxfp8', parameters: 27_356_728_560, towerParameters: 460_730_096 },
  ],
  build: (checkpoint) => qwen3_5Model(checkpoint, 'qwen3_5'),
};

export const qwen3_5Moe: Family = {
  modelTypes: ['qwen3_5_moe'],
  bestAt: 'screens, reading, general',
  checkpoints: [{ name: 'Qwen/Qwen3.5-35B-A3B', parameters: 35_107_181_936, towerParameters: 446_571_248 }],
  build: (checkpoint) => qwen3_5Model(checkpoint, 'qwen3_5_moe'),
};

function qwen3_5Model(checkpoint: Checkpoint, modelType: string): Model {
  const config = new Config(checkpoint.config, 'config.json');
  const vision = qwen3VisionConfig(config, []);
  return qwenModel(checkpoint, {
    modelType,
    vision: qwen3VisionEncoder(
      vision,
      config.section('text_config').count('hidden_size'),
      visionWeights(checkpoint),
    ),
    decoder: qwen3_5Decoder(checkpoint, config, 3),
    processor: qwen3Processor(checkpoint, vision),
    boxes: { scale: 'relative-1000', lines: true },
  });
}

interface DecoderShape {
  hidden: number;
  vocab: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  eps: number;
  /** 1 where norms are stored as w and applied as 1 + w; MLX files have the 1 added already. */
  normOffset: number;
  attending: (i: number) => boolean;
  delta: { keyHeads: number; valueHeads: number; kDim: number; vDim: number; kernel: number };
  experts: (ExpertShape & { shared: number }) | null;
  /** Width of the dense MLP, where there are no experts. */
  intermediate: number;
}

/** @param positionAxes 3: M-RoPE; 1: all frequencies turn with the row's place in the prompt. */
export function qwen3_5Decoder(checkpoint: Checkpoint, config: Config, positionAxes: 1 | 3): Program {
  const g = new GraphBuilder('decoder');
  const text = config.section('text_config');
  const w = textWeights(checkpoint);
  const c = decoderShape(checkpoint, text, w);
  const frame = openDecoder(g, w('embed_tokens').matrix(c.vocab, c.hidden), { positionAxes });
  const rope = partialRope(g, frame.positions, text, c.headDim, positionAxes);
  let x = frame.x;
  for (let i = 0; i < c.layers; i++) {
    const layer: WeightScope = (name) => w(`layers.${i}.${name}`);
    const h = norm(g, x, layer('input_layernorm'), c);
    x = g.add(x, c.attending(i) ? gatedAttention(g, h, layer, c, rope) : gatedDeltaNet(g, h, layer, c));
    x = g.named(
      `layers.${i}.output`,
      g.add(x, mlp(g, norm(g, x, layer('post_attention_layernorm'), c), layer, c)),
    );
  }
  const tied = config.boolean('tie_word_embeddings', text.boolean('tie_word_embeddings', false));
  const head = outputHead(checkpoint, w('embed_tokens'), tied).matrix(c.vocab, c.hidden);
  closeDecoder(g, frame, x, (y) => norm(g, y, w('norm'), c), head);
  return g.finish();
}

function decoderShape(checkpoint: Checkpoint, text: Config, w: WeightScope): DecoderShape {
  const layers = text.parts('num_hidden_layers');
  const attending = attentionLayers(text, layers);
  return {
    hidden: text.count('hidden_size'),
    vocab: text.count('vocab_size'),
    layers,
    heads: text.count('num_attention_heads'),
    kvHeads: text.count('num_key_value_heads'),
    headDim: text.count('head_dim', 256),
    eps: text.number('rms_norm_eps', 1e-6),
    normOffset: hasOffsetNorms(checkpoint, w, attending) ? 1 : 0,
    attending: (i) => attending[i]!,
    delta: {
      keyHeads: text.count('linear_num_key_heads', 16),
      valueHeads: text.count('linear_num_value_heads', 32),
      kDim: text.count('linear_key_head_dim', 128),
      vDim: text.count('linear_value_head_dim', 128),
      kernel: text.count('linear_conv_kernel_dim', 4),
    },
    experts: text.has('num_experts') ? expertShape(text) : null,
    intermediate: text.has('num_experts') ? 0 : text.count('intermediate_size'),
  };
}

function attentionLayers(text: Config, layers: number): boolean[] {
  if (text.has('layer_types')) return text.strings('layer_types').map((type) => type === 'full_attention');
  const interval = text.count('full_attention_interval', 4);
  return Array.from({ length: layers }, (_, i) => (i + 1) % interval === 0);
}

/** Hugging Face's files: their convolution kernels are [C, 1, K], or they carry the multi-token-prediction tensors. */
function hasOffsetNorms(checkpoint: Checkpoint, w: WeightScope, attending: boolean[]): boolean {
  if ([...checkpoint.tensors.keys()].some((name) => name.startsWith('mtp.') || name.includes('.mtp.')))
    return true;
  const recurrent = attending.indexOf(false);
  return recurrent < 0 || !w(`layers.${recurrent}.linear_attn.conv1d`).isMlxDepthwise();
}

function expertShape(text: Config): ExpertShape & { shared: number } {
  return {
    experts: text.parts('num_experts'),
    inner: text.count('moe_intermediate_size'),
    shared: text.count('shared_expert_intermediate_size'),
    route: {
      k: text.count('num_experts_per_tok'),
      score: 'softmax',
      normalize: text.boolean('norm_topk_prob', true),
    },
  };
}

/** Only the first columns of each head turn, where there are three axes on those in turn. */
function partialRope(g: GraphBuilder, positions: Value, text: Config, headDim: number, axes: 1 | 3): Value {
  const rope = ropeSettings(text);
  const factor = rope.scaling.number('partial_rotary_factor', text.number('partial_rotary_factor', 0.25));
  const invFreq = inverseFrequencies(rope, headDim * factor);
  return g.ropeTable(positions, {
    invFreq,
    ...(axes === 3 && {
      axis: interleavedAxes(rope.scaling.numbers('mrope_section'), invFreq.length),
    }),
  });
}

function norm(g: GraphBuilder, x: Value, module: CheckpointModule, c: DecoderShape, groups = 1): Value {
  return g.rmsNorm(x, module, c.eps, { groups, weightOffset: c.normOffset });
}

/** Attention whose output is gated per head. [rows, hidden] → [rows, hidden] */
function gatedAttention(g: GraphBuilder, h: Value, w: WeightScope, c: DecoderShape, rope: Value): Value {
  const { heads, kvHeads, headDim: d } = c;
  const both = g.linear(h, w('self_attn.q_proj'), heads * 2 * d); // each head: query | gate
  const q = norm(g, g.slice(both, 0, d, heads), w('self_attn.q_norm'), c, heads);
  const gate = g.slice(both, d, d, heads);
  const k = norm(g, g.linear(h, w('self_attn.k_proj'), kvHeads * d), w('self_attn.k_norm'), c, kvHeads);
  const v = g.linear(h, w('self_attn.v_proj'), kvHeads * d);
  const o = g.attention(g.rope(q, rope, heads), g.rope(k, rope, kvHeads), v, {
    heads,
    kvHeads,
    kDim: d,
    scale: d ** -0.5,
  });
  return g.linear(g.gatedActivation(gate, o, 'sigmoid'), w('self_attn.o_proj'), c.hidden);
}

/** Linear attention with decay and delta rule. [rows, hidden] → [rows, hidden] */
function gatedDeltaNet(g: GraphBuilder, h: Value, w: WeightScope, c: DecoderShape): Value {
  const { keyHeads, valueHeads, kDim, vDim, kernel } = c.delta;
  const [keys, values] = [keyHeads * kDim, valueHeads * vDim];
  const projected = g.linear(h, w('linear_attn.in_proj_qkv'), 2 * keys + values); // q | k | v
  const mixed = g.shortConv(projected, w('linear_attn.conv1d').depthwiseKernel(projected.width, kernel), {
    activation: 'silu',
  });
  const inputs = {
    q: g.slice(mixed, 0, keys),
    k: g.slice(mixed, keys, keys),
    v: g.slice(mixed, 2 * keys, values),
    a: g.linear(h, w('linear_attn.in_proj_a'), valueHeads),
    b: g.linear(h, w('linear_attn.in_proj_b'), valueHeads),
  };
  const gates = {
    A_log: w('linear_attn.A_log').parameter([valueHeads]),
    dt_bias: w('linear_attn.dt_bias').parameter([valueHeads]),
  };
  const o = g.gatedDelta(inputs, gates, { keyHeads, valueHeads, kDim, vDim });
  const normed = g.rmsNorm(o, w('linear_attn.norm'), c.eps, { groups: valueHeads }); // plain weight
  const z = g.linear(h, w('linear_attn.in_proj_z'), values);
  return g.linear(g.gatedActivation(z, normed, 'silu'), w('linear_attn.out_proj'), c.hidden);
}

/** Dense, or chosen experts and one that all rows share behind a gate of its own. */
function mlp(g: GraphBuilder, h: Value, w: WeightScope, c: DecoderShape): Value {
  if (!c.experts) return gatedMlp(g, h, w, c.intermediate, 'silu');
  const shared = gatedMlp(g, h, w, c.experts.shared, 'silu', 'mlp.shared_expert');
  const gate = g.activation(g.linear(h, w('mlp.shared_expert_gate'), 1), 'sigmoid'); // [rows, 1]
  return g.add(routedExperts(g, h, w, c.experts), g.mul(shared, gate));
}
