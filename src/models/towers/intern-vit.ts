// InternViT (Chen et al. 2023, https://arxiv.org/abs/2312.14238): a class token before the patches, scaled residuals; the
// large one norms all of q and of k and has RMSNorms.
import type { ActivationName, GraphBuilder, Value } from '../../graph/builder.js';
import type { Config } from '../checkpoint/config.js';
import type { WeightScope } from '../checkpoint/weights.js';
import { classedPatches, withoutClasses } from './clip.js';
import { outputLayer } from './pixtral.js';
import { segmentInput } from './qwen.js';

export interface InternVitShape {
  hidden_size: number;
  intermediate_size: number;
  /** Those that are read. */
  num_hidden_layers: number;
  num_attention_heads: number;
  image_size: number;
  patch_size: number;
  layer_norm_eps: number;
  hidden_act: ActivationName;
  attention_bias: boolean;
  use_qk_norm: boolean;
  norm_type: string;
  /** The last layer's output is normed. */
  normed: boolean;
}

/** @param featureLayer −1: the last. */
export function internVitShape(vision: Config, featureLayer: number): InternVitShape {
  const side = (key: string, fallback: number): number => (vision.has(key) ? vision.ids(key)[0]! : fallback);
  return {
    hidden_size: vision.count('hidden_size', 1024),
    intermediate_size: vision.count('intermediate_size', 4096),
    num_hidden_layers: outputLayer(vision.parts('num_hidden_layers', 24), featureLayer),
    num_attention_heads: vision.count('num_attention_heads', 16),
    image_size: side('image_size', 448),
    patch_size: side('patch_size', 14),
    layer_norm_eps: vision.number('layer_norm_eps', 1e-6),
    hidden_act: vision.string('hidden_act', 'gelu') as ActivationName,
    attention_bias: vision.boolean('attention_bias', false),
    use_qk_norm: vision.boolean('use_qk_norm', false),
    norm_type: vision.string('norm_type', 'layer_norm'),
    normed: featureLayer === -1 && !vision.boolean('use_mean_pooling', true),
  };
}

/** Patches of square frames, frame by frame. → [patches, hidden] in the order of `kept_rows` */
export function internVitTower(g: GraphBuilder, w: WeightScope, c: InternVitShape): Value {
  const { hidden_size: width, layer_norm_eps: eps } = c;
  const patch = w('embeddings.patch_embeddings.projection');
  const cells = (c.image_size / c.patch_size) ** 2 + 1;
  let x = classedPatches(g, {
    patch_size: c.patch_size,
    kernel: patch.patchKernel(width, 3, [c.patch_size, c.patch_size]),
    bias: patch.bias(width),
    token: w('embeddings.cls_token').table([1, 1, width], width, ''),
    positions: w('embeddings.position_embeddings').table([1, cells, width], width, ''),
  });
  const segments = segmentInput(g, 'segments');
  for (let i = 0; i < c.num_hidden_layers; i++) {
    const layer: WeightScope = (name) => w(`encoder.layer.${i}.${name}`);
    const norm = (name: string): Value =>
      c.norm_type === 'rms_norm' ? g.rmsNorm(x, layer(name), eps) : g.layerNorm(x, layer(name), eps);
    const scaled = (y: Value, name: string): Value => g.mul(y, layer(name).parameter([width]));
    x = g.add(x, scaled(attention(g, norm('layernorm_before'), layer, c, segments), 'lambda_1'));
    const f = g.linear(norm('layernorm_after'), layer('mlp.fc1'), c.intermediate_size, { bias: true });
    const mlp = g.linear(g.activation(f, c.hidden_act), layer('mlp.fc2'), width, { bias: true });
    x = g.named(`blocks.${i}.output`, g.add(x, scaled(mlp, 'lambda_2')));
  }
  return withoutClasses(g, c.normed ? g.layerNorm(x, w('layernorm'), eps) : x);
}

function attention(g: GraphBuilder, x: Value, w: WeightScope, c: InternVitShape, segments: Value): Value {
  const { hidden_size: width, num_attention_heads: heads } = c;
  const project = (name: string): Value =>
    g.linear(x, w(`attention.${name}_proj`), width, { bias: c.attention_bias });
  const normed = (y: Value, name: string): Value =>
    c.use_qk_norm ? g.rmsNorm(y, w(`attention.${name}_norm`), c.layer_norm_eps) : y;
  const shape = { heads, kvHeads: heads, kDim: width / heads, scale: (width / heads) ** -0.5 };
  const [q, k] = [normed(project('q'), 'q'), normed(project('k'), 'k')];
  const o = g.segmentAttention(q, k, project('v'), segments, shape);
  return g.linear(o, w('attention.projection_layer'), width, { bias: true });
}
