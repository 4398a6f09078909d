// The text recogniser of PP-OCR: PP-LCNetV3, SVTR's global mixing in a narrow neck, a class for every step of 8 columns
// (CTC). Du et al. 2022, https://arxiv.org/abs/2205.00159. Images are 48 rows high, their widths multiples of 8.
import { rowsOf, type Value } from '../../graph/builder.js';
import { ImageGraph, type ImageProgram, type Picture } from './image-graph.js';
import type { LinearLayer, NormLayer, RecogniserNetwork, SvtrBlock } from './networks.js';

/** pixel_values[pixels, 3], segments[images + 1, 1] (in steps) → steps[pixels / 384, 2]: best class, its probability. */
export function recogniserProgram(net: RecogniserNetwork): ImageProgram {
  const graph = new ImageGraph('recogniser');
  const { g } = graph;
  const features = graph.averaged(graph.backbone(graph.pixels(), net.backbone).at(-1)!, [3, 2], 'averaged');
  const segments = g.input('segments', { rows: rowsOf('bounds'), width: 1, dtype: 'i32' });
  const reduced = graph.convolution(features, net.neck[0]!, 'neck.0');
  let { x } = graph.convolution(reduced, net.neck[1]!, 'neck.1');
  for (const [i, block] of net.blocks.entries())
    x = mixed(graph, { ...features, x }, segments, block, net.heads, `blocks.${i}`);
  x = norm(graph, x, net.norm, 'norm');
  const restored = graph.convolution({ ...features, x }, net.neck[2]!, 'neck.2');
  const both = { ...features, x: g.concat(features.x, restored.x) };
  const again = graph.convolution(both, net.neck[3]!, 'neck.3');
  const widened = graph.convolution(again, net.neck[4]!, 'neck.4');
  const logits = g.named('logits', graph.pixelLinear(widened, net.classes, 'classes'));
  g.output('steps', g.bestClass(logits));
  return graph.finish();
}

/** Global mixing: pre-norm attention over all steps of an image, then an MLP. */
function mixed(
  graph: ImageGraph,
  image: Picture,
  segments: Value,
  block: SvtrBlock,
  heads: number,
  name: string,
): Value {
  const { g } = graph;
  const { x } = image;
  const width = x.width;
  const linear = (rows: Value, layer: LinearLayer, part: string): Value =>
    graph.pixelLinear({ ...image, x: rows }, layer, `${name}.${part}`);
  const qkv = linear(norm(graph, x, block.norms[0], `${name}.norms.0`), block.qkv, 'qkv');
  const [q, k, v] = [0, 1, 2].map((part) => g.slice(qkv, part * width, width));
  const kDim = width / heads;
  const attended = g.segmentAttention(q!, k!, v!, segments, {
    heads,
    kvHeads: heads,
    kDim,
    scale: kDim ** -0.5,
  });
  const h = g.add(x, linear(attended, block.projection, 'projection'));
  const [widen, narrow] = block.mlp;
  const inner = linear(norm(graph, h, block.norms[1], `${name}.norms.1`), widen, 'mlp.0');
  return g.add(h, linear(g.activation(inner, 'silu'), narrow, 'mlp.1'));
}

function norm(graph: ImageGraph, x: Value, { weight, bias, eps }: NormLayer, name: string): Value {
  const module = {
    path: name,
    matrix: () => graph.packed.vector(`${name}.weight`, weight),
    vector: () => graph.packed.vector(`${name}.weight`, weight),
    bias: () => graph.packed.vector(`${name}.bias`, bias),
  };
  return graph.g.layerNorm(x, module, eps);
}
