// PP-OCRv4 mobile as published in ONNX (PaddleOCR, Apache-2.0): its layers in the file's order, each with what follows
// it folded in. https://github.com/PaddlePaddle/PaddleOCR
import { AfterimageError } from '../../errors.js';
import type { ActivationName } from '../../graph/builder.js';
import { affine, batchNorm, doubled, repeated, transposed } from './folding.js';
import type {
  ConvolutionLayer,
  DetectorNetwork,
  Doubling,
  GatedConvolution,
  LcNet,
  LcNetBlock,
  LinearLayer,
  NormLayer,
  RecogniserNetwork,
  SvtrBlock,
} from './networks.js';
import type { OnnxGraph, OnnxNode, OnnxTensor } from './onnx-graph.js';

const HEADS = 8;

export function detectorOf(graph: OnnxGraph): DetectorNetwork {
  const layers = new LayerList(graph);
  const backbone = layers.backbone();
  const laterals = layers.take(4);
  const inserts: GatedConvolution[] = Array.from({ length: 4 }, () => layers.gated()).reverse();
  const inputs: GatedConvolution[] = Array.from({ length: 4 }, () => layers.gated()).reverse();
  const head = layers.next();
  const [up, last] = graph.nodes.filter((node) => node.op === 'ConvTranspose');
  if (!up || !last) throw unexpected('two transposed convolutions', 'fewer');
  const network = { backbone, laterals, inserts, inputs, head };
  layers.end();
  return { ...network, doublings: [doubling(graph, up, 'relu'), doubling(graph, last, 'sigmoid')] };
}

export function recogniserOf(graph: OnnxGraph): RecogniserNetwork {
  const layers = new LayerList(graph);
  const backbone = layers.backbone();
  const neck = layers.take(5);
  layers.end();
  const linears = graph.nodes
    .filter((node) => node.op === 'MatMul' && graph.constants.has(node.inputs[1]!))
    .map((node) => linear(graph, node));
  const norms = graph.nodes.filter((node) => node.op === 'Sqrt').map((node) => norm(graph, node));
  const blocks: SvtrBlock[] = [];
  while (linears.length > 1) {
    const [qkv, projection, widen, narrow] = linears.splice(0, 4);
    const [first, second] = norms.splice(0, 2);
    blocks.push({
      norms: [first!, second!],
      qkv: qkv!,
      projection: projection!,
      mlp: [widen!, narrow!],
    });
  }
  return { backbone, neck, heads: HEADS, blocks, norm: norms[0]!, classes: linears[0]! };
}

function unexpected(wanted: string, found: string): AfterimageError {
  return new AfterimageError(
    'INVALID_CHECKPOINT',
    `The text reader's ONNX file is not that of PP-OCRv4: expected ${wanted} but found ${found}; install it again.`,
  );
}

/** The convolutions of a graph in its order, each taken once. */
class LayerList {
  readonly #graph: OnnxGraph;

  readonly #waiting: OnnxNode[];

  constructor(graph: OnnxGraph) {
    this.#graph = graph;

    this.#waiting = graph.nodes.filter((node) => node.op === 'Conv');
  }

  next(): ConvolutionLayer {
    const node = this.#waiting.shift();
    if (!node) throw unexpected('another convolution', 'the end of the graph');
    return folded(this.#graph, node);
  }

  take(count: number): ConvolutionLayer[] {
    return Array.from({ length: count }, () => this.next());
  }

  gated(): GatedConvolution {
    return { convolution: this.next(), gate: [this.next(), this.next()] };
  }

  /** A stem, then blocks for as long as a depthwise convolution comes next; a strided one begins a stage. */
  backbone(): LcNet {
    const stem = this.next();
    const stages: LcNetBlock[][] = [[]];
    while (this.#groups() > 1) {
      const depthwise = this.next();
      if (depthwise.stride.some((step) => step > 1)) stages.push([]);
      const gate = this.#isGate() ? { gate: [this.next(), this.next()] as LcNetBlock['gate'] } : {};
      stages.at(-1)!.push({ depthwise, ...gate, pointwise: this.next() } as LcNetBlock);
    }
    return { stem, stages };
  }

  end(): void {
    if (this.#waiting.length > 0) throw unexpected('no more convolutions', String(this.#waiting.length));
  }

  #groups(): number {
    return this.#waiting[0]?.ints.get('group')?.[0] ?? 0;
  }

  #isGate(): boolean {
    const input = this.#waiting[0]?.inputs[0];
    return this.#graph.nodes.some((node) => node.op === 'GlobalAveragePool' && node.outputs[0] === input);
  }
}

function constant(graph: OnnxGraph, name: string | undefined): OnnxTensor {
  const tensor = name === undefined ? undefined : graph.constants.get(name);
  if (!tensor) throw unexpected(`a constant "${name}"`, 'none');
  return tensor;
}

function folded(graph: OnnxGraph, node: OnnxNode): ConvolutionLayer {
  const { shape, data } = constant(graph, node.inputs[1]);
  const bias = node.inputs[2] ? constant(graph, node.inputs[2]).data : new Float32Array(shape[0]!);
  const pads = node.ints.get('pads') ?? [];
  if ([0, 1, 2, 3].some((side) => pads[side] !== Math.floor(shape[2 + (side % 2)]! / 2)))
    throw unexpected('padding of half a kernel', pads.join(', '));
  const [y, x] = node.ints.get('strides')!;
  const layer: ConvolutionLayer = { shape, weight: data, bias, stride: [y!, x!] };
  return new Follower(graph, node.outputs[0]!).follow(layer);
}

/** Walks from a layer's output over all that can be folded into it. */
class Follower {
  readonly #graph: OnnxGraph;
  #at: string;

  constructor(graph: OnnxGraph, at: string) {
    this.#graph = graph;
    this.#at = at;
  }

  follow(layer: ConvolutionLayer): ConvolutionLayer {
    const linearPart = this.#linearPart(layer);
    const active = this.#activation(linearPart);
    const [scale, shift] = active.activation ? this.#scalars() : [1, 0];
    return { ...active, ...(scale === 1 && shift === 0 ? {} : { scale, shift }) };
  }

  #readers(): OnnxNode[] {
    return this.#graph.readers.get(this.#at) ?? [];
  }

  #linearPart(layer: ConvolutionLayer): ConvolutionLayer {
    const [reader] = this.#readers();
    let result = layer;
    if (reader?.op === 'BatchNormalization') {
      const [weight, bias, mean, variance] = reader.inputs.slice(1).map((n) => constant(this.#graph, n).data);
      const eps = reader.floats.get('epsilon') ?? 1e-5;
      result = batchNorm(layer, { weight: weight!, bias: bias!, mean: mean!, variance: variance!, eps });
      this.#at = reader.outputs[0]!;
    }
    const [scale, shift] = this.#scalars();
    return scale === 1 && shift === 0 ? result : affine(result, [scale], [shift]);
  }

  /** A learnable affine block: Mul and Add with one number each. */
  #scalars(): [scale: number, shift: number] {
    const scale = this.#scalar('Mul');
    if (scale === undefined) return [1, 0];
    return [scale, this.#scalar('Add') ?? 0];
  }

  #scalar(op: string): number | undefined {
    const readers = this.#readers();
    if (readers.length !== 1 || readers[0]!.op !== op) return undefined;
    const value = readers[0]!.inputs.map((name) => this.#graph.constants.get(name)).find(Boolean);
    if (value?.data.length !== 1) return undefined;
    this.#at = readers[0]!.outputs[0]!;
    return value.data[0]!;
  }

  #activation(layer: ConvolutionLayer): ConvolutionLayer {
    const readers = this.#readers();
    const [reader] = readers;
    if (readers.length === 1 && reader!.op === 'Relu')
      return this.#pass(reader!, { ...layer, activation: 'relu' });
    if (readers.length === 1 && reader!.op === 'HardSigmoid') return this.#hardSigmoid(layer, reader!);
    if (readers.length !== 2 || readers.some((node) => node.op === 'GlobalAveragePool')) return layer;
    // x · σ(1·x), and x · clip(x + 3, 0, 6) / 6.
    const gated = readers.find(
      (node) => node.op === 'Mul' && !node.inputs.some((n) => this.#graph.constants.has(n)),
    );
    if (!gated) return layer;
    const divided = this.#graph.readers.get(gated.outputs[0]!)?.find((node) => node.op === 'Div');
    if (divided) return this.#pass(divided, { ...layer, activation: 'hard_swish' });
    return this.#pass(gated, { ...layer, activation: 'silu' });
  }

  /** max(0, min(1, α·x + ½)) is hard_sigmoid(6·α·x). */
  #hardSigmoid(layer: ConvolutionLayer, node: OnnxNode): ConvolutionLayer {
    const steeper = 6 * (node.floats.get('alpha') ?? 0.2);
    return this.#pass(node, { ...affine(layer, [steeper], [0]), activation: 'hard_sigmoid' });
  }

  #pass(node: OnnxNode, layer: ConvolutionLayer): ConvolutionLayer {
    this.#at = node.outputs[0]!;
    return layer;
  }
}

function added(graph: OnnxGraph, node: OnnxNode): { bias: Float32Array; output: string } {
  const add = graph.readers.get(node.outputs[0]!)?.find((reader) => reader.op === 'Add');
  if (!add) throw unexpected(`a bias behind ${node.op}`, 'none');
  return { bias: constant(graph, add.inputs[1]).data, output: add.outputs[0]! };
}

function doubling(graph: OnnxGraph, node: OnnxNode, activation: ActivationName): Doubling {
  const { shape, data } = constant(graph, node.inputs[1]);
  const [inputs, outs] = shape as [number, number];
  const { bias, output } = added(graph, node);
  let layer = doubled(data, inputs, outs, bias);
  const [reader] = graph.readers.get(output) ?? [];
  if (reader?.op === 'BatchNormalization') {
    const [weight, offset, mean, variance] = reader.inputs
      .slice(1)
      .map((name) => repeated(constant(graph, name).data, 4));
    const eps = reader.floats.get('epsilon') ?? 1e-5;
    layer = batchNorm(layer, { weight: weight!, bias: offset!, mean: mean!, variance: variance!, eps });
  }
  return { ...layer, activation };
}

function linear(graph: OnnxGraph, node: OnnxNode): LinearLayer {
  const { shape, data } = constant(graph, node.inputs[1]);
  const [inputs, outs] = shape as [number, number];
  return {
    shape: [outs, inputs],
    weight: transposed(data, inputs, outs),
    bias: added(graph, node).bias,
  };
}

/** … Add(ε) → Sqrt → Div → Mul(weight) → Add(bias). */
function norm(graph: OnnxGraph, sqrt: OnnxNode): NormLayer {
  const before = graph.nodes.find((node) => node.outputs[0] === sqrt.inputs[0]);
  const divided = graph.readers.get(sqrt.outputs[0]!)?.[0];
  const scaled = divided && graph.readers.get(divided.outputs[0]!)?.[0];
  if (!before || scaled?.op !== 'Mul') throw unexpected('a layer norm', `${sqrt.op} alone`);
  return {
    weight: constant(graph, scaled.inputs[1]).data,
    bias: added(graph, scaled).bias,
    eps: constant(graph, before.inputs[1]).data[0]!,
  };
}
