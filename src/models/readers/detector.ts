// The text detector of PP-OCR: PP-LCNetV3, a feature pyramid with squeeze-and-excite residuals (RSE-FPN), and the
// probability branch of the DB head. Cui et al. 2021, https://arxiv.org/abs/2109.15099; Liao et al. 2020,
// https://arxiv.org/abs/1911.08947. Image sides are multiples of 32.
import type { Value } from '../../graph/builder.js';
import { ImageGraph, type ImageProgram, type Picture } from './image-graph.js';
import type { DetectorNetwork, GatedConvolution } from './networks.js';

const LEVELS = 4;

/** pixel_values[pixels, 3] → probabilities[pixels, 1] that a pixel belongs to the core of a text. */
export function detectorProgram(net: DetectorNetwork): ImageProgram {
  const graph = new ImageGraph('detector');
  const { g } = graph;
  const stages = graph.backbone(graph.pixels(), net.backbone).slice(-LEVELS);
  const fused = stages.map((stage, i) => {
    const lateral = graph.convolution(stage, net.laterals[i]!, `laterals.${i}`);
    return gated(graph, lateral, net.inserts[i]!, `inserts.${i}`);
  });
  for (let i = LEVELS - 2; i >= 0; i--)
    fused[i] = { ...fused[i]!, x: g.add(fused[i]!.x, g.nearest(fused[i + 1]!, 2)) };
  const features = fused.map((level, i) => {
    const narrow = gated(graph, level, net.inputs[i]!, `inputs.${i}`);
    return i === 0 ? narrow.x : g.nearest(narrow, 2 ** i);
  });
  const joined = features.reverse().reduce((all, level) => g.concat(all, level));
  const map = graph.convolution({ ...fused[0]!, x: joined }, net.head, 'head');
  g.output('probabilities', quadrupled(graph, map, net));
  return graph.finish();
}

/** y = W * x, then y · (1 + gain). */
function gated(graph: ImageGraph, image: Picture, layer: GatedConvolution, name: string): Picture {
  const y = graph.convolution(image, layer.convolution, `${name}.convolution`);
  const gain = graph.gain(y, layer.gate, `${name}.gate`);
  const ones = graph.packed.vector(`${name}.gate.ones`, new Float32Array(y.x.width).fill(1));
  return { ...y, x: graph.g.scaleImages(y, graph.g.add(gain, ones)) };
}

/**
 * Two transposed convolutions of 2 × 2. No pixel of theirs sees two of the input, so both run on rows as they lie; the
 * sixteen results of a row are put in their places at the end.
 */
function quadrupled(
  graph: ImageGraph,
  image: Picture,
  { doublings: [first, second] }: DetectorNetwork,
): Value {
  const { g } = graph;
  const four = graph.convolution(image, first, 'doublings.0');
  const finer = graph.at(g.ungroup(four.x, 4), [image.step[0] / 2, image.step[1] / 2]);
  const sixteen = graph.convolution(finer, second, 'doublings.1');
  const twice = g.spread({ ...image, x: g.regroup(sixteen.x, 4) }, 2);
  return g.spread({ ...finer, x: twice }, 2);
}
