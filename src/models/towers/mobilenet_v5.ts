// MobileNet-V5, the vision encoder of Gemma 3n (timm's MobileNetV5Encoder): stages of inverted residuals (Qin et al.
// 2024, https://arxiv.org/abs/2404.10518) and multi-query attention, whose two last resolutions are fused. Block kinds,
// widths, kernels and heads are read from the stored tensors. An image is a value of side² rows, raster order.
import { rowsOf, type GraphBuilder, type Value } from '../../graph/builder.js';
import { fail } from '../../graph/program-writer.js';
import type { NamedTensor } from '../family.js';
import { floatTensor, indexTensor } from '../processors/pixels.js';
import type { CheckpointModule, WeightScope } from '../checkpoint/weights.js';

/** x[side², channels] */
interface Image {
  x: Value;
  side: number;
}

const NORM_EPS = 1e-6;
/** Each of the stem and the four stages halves the image. */
const SMALLEST_STEP = 32;

/**
 * @returns features[resolution², width] of an image of `side`² pixels, and the index tables that the program reads beside
 * `pixel_values`, by input name: the same for every image, made once.
 */
export function mobileNetV5(
  g: GraphBuilder,
  weights: WeightScope,
  side: number,
  resolution: number,
): { features: Value; tables: () => Record<string, NamedTensor> } {
  if (side % SMALLEST_STEP !== 0) fail(`MobileNet-V5 needs images of a multiple of 32 pixels, not ${side}`);
  const tower = new MobileNetV5(g, weights, side);
  const pixels = g.input('pixel_values', { rows: rowsOf('patches'), width: 3 });
  const features = tower.encode({ x: pixels, side }, resolution);
  let tables: Record<string, NamedTensor> | undefined;
  const make = (): Record<string, NamedTensor> =>
    Object.fromEntries(Object.entries(tower.tables).map(([name, table]) => [name, table()]));
  return { features, tables: () => (tables ??= make()) };
}

class MobileNetV5 {
  readonly #g: GraphBuilder;
  readonly #weights: WeightScope;
  readonly #side: number;

  readonly tables: Record<string, () => NamedTensor> = {};
  readonly #inputs = new Map<string, Value>();
  /** MLX keeps the channels of a kernel last. */
  readonly #channelsLast: boolean;

  constructor(g: GraphBuilder, weights: WeightScope, side: number) {
    this.#g = g;
    this.#weights = weights;
    this.#side = side;

    this.#channelsLast = this.#shape('msfa.ffn.pw_exp.conv').at(-1) !== 1;
  }

  encode(pixels: Image, resolution: number): Value {
    let image = this.#norm(this.#convolution(pixels, 'conv_stem.conv', 2), 'conv_stem.bn', true);
    const stages: Image[] = [];
    for (let s = 0; this.#isBlock(`blocks.${s}.0`); s++) {
      for (let b = 0; this.#isBlock(`blocks.${s}.${b}`); b++)
        image = this.#block(image, `blocks.${s}.${b}`, b === 0 ? 2 : 1);
      this.#g.named(`stages.${s}.output`, image.x);
      stages.push(image);
    }
    return this.#fusion(stages.at(-2)!, stages.at(-1)!, resolution);
  }

  #isBlock(path: string): boolean {
    return ['conv_exp', 'pw_exp.conv', 'attn.query.proj'].some((name) => this.#has(`${path}.${name}`));
  }

  #block(image: Image, path: string, stride: number): Image {
    if (this.#has(`${path}.attn.query.proj`)) return this.#attention(image, path);
    if (!this.#has(`${path}.conv_exp`)) return this.#invertedResidual(image, path, stride, true);
    const wide = this.#norm(this.#convolution(image, `${path}.conv_exp`, stride), `${path}.bn1`, true);
    const narrow = this.#norm(this.#convolution(wide, `${path}.conv_pwl`), `${path}.bn2`);
    return this.#residual(image, narrow, stride);
  }

  /** Depthwise, expansion, depthwise, projection; either depthwise convolution may be missing. */
  #invertedResidual(image: Image, path: string, stride: number, skip: boolean): Image {
    const middle = this.#has(`${path}.dw_mid.conv`);
    let y = image;
    if (this.#has(`${path}.dw_start.conv`))
      y = this.#norm(this.#depthwise(y, `${path}.dw_start.conv`, middle ? 1 : stride), `${path}.dw_start.bn`);
    y = this.#norm(this.#convolution(y, `${path}.pw_exp.conv`), `${path}.pw_exp.bn`, true);
    if (middle) y = this.#norm(this.#depthwise(y, `${path}.dw_mid.conv`, stride), `${path}.dw_mid.bn`, true);
    y = this.#norm(this.#convolution(y, `${path}.pw_proj.conv`), `${path}.pw_proj.bn`);
    y = this.#layerScale(y, path);
    return skip ? this.#residual(image, y, stride) : y;
  }

  #residual(image: Image, y: Image, stride: number): Image {
    return stride === 1 && image.x.width === y.x.width ? { ...y, x: this.#g.add(image.x, y.x) } : y;
  }

  /**
   * All heads share one key and value, at a quarter of the pixels where there is `down_conv`. Since the softmax runs
   * over the whole image, four pixels with h heads each are one row with 4·h heads.
   */
  #attention(image: Image, path: string): Image {
    const h = this.#norm(image, `${path}.norm`);
    const q = this.#convolution(h, `${path}.attn.query.proj`);
    const k = this.#sharedHead(h, `${path}.attn.key`);
    const v = this.#sharedHead(h, `${path}.attn.value`);
    const [kDim, pixels] = [k.x.width, (image.side / k.side) ** 2];
    const attended = this.#g.segmentAttention(
      pixels > 1 ? this.#g.regroup(q.x, pixels) : q.x,
      k.x,
      v.x,
      this.#wholeImage(k.side),
      { heads: (q.x.width / kDim) * pixels, kvHeads: 1, kDim, vDim: v.x.width, scale: kDim ** -0.5 },
    );
    const o = { ...image, x: pixels > 1 ? this.#g.ungroup(attended, pixels) : attended };
    const y = this.#layerScale(this.#convolution(o, `${path}.attn.output.proj`), path);
    return this.#residual(image, y, 1);
  }

  #sharedHead(image: Image, path: string): Image {
    const smaller = this.#has(`${path}.down_conv`)
      ? this.#norm(this.#depthwise(image, `${path}.down_conv`, 2), `${path}.norm`)
      : image;
    return this.#convolution(smaller, `${path}.proj`);
  }

  /** Multi-scale fusion: the smaller image enlarged, both side by side, then the mean of blocks of pixels. */
  #fusion(large: Image, small: Image, resolution: number): Value {
    const block = large.side / resolution;
    if (!Number.isInteger(block))
      fail(`MobileNet-V5 cannot pool ${large.side}² pixels to ${resolution}² tokens`);
    const enlarged = this.#g.gatherRows(
      small.x,
      this.#table('enlarged_index', large.side, 1, () => nearest(large.side, small.side)),
    );
    const both = { ...large, x: this.#g.concat(large.x, enlarged) };
    let y = this.#invertedResidual(both, 'msfa.ffn', 1, false);
    if (block > 1) y = this.#pooled(y, block);
    return this.#norm(y, 'msfa.norm').x;
  }

  #pooled({ x, side }: Image, block: number): Image {
    const [small, taps] = [side / block, block * block];
    const index = this.#table('pool_index', small, taps, () => taken(side, small, block, block, 0));
    const weight = this.#g.input('pool_weight', { rows: this.#rows(small), width: taps });
    this.tables['pool_weight'] = () =>
      floatTensor(new Float32Array(small * small * taps).fill(1 / taps), taps);
    return { x: this.#g.weightedRows(x, index, weight), side: small };
  }

  #convolution({ x, side }: Image, path: string, stride = 1): Image {
    const module = this.#weights(path);
    const [out, ...rest] = this.#shape(path);
    const kernel = this.#channelsLast ? rest[0]! : rest[1]!;
    const weight = module.tapKernel(out!, x.width, [kernel, kernel], this.#channelsLast);
    const columns = kernel > 1 ? this.#g.gatherRows(x, this.#taps(side, kernel, stride)) : x;
    const bias = module.hasBias ? module.bias(out!) : null;
    return { x: this.#g.matmul(columns, weight, bias), side: Math.ceil(side / stride) };
  }

  #depthwise({ x, side }: Image, path: string, stride: number): Image {
    const kernel = this.#shape(path)[2]!;
    const weight = this.#weights(path).depthwiseTaps(x.width, [kernel, kernel]);
    return {
      x: this.#g.depthwiseRows(x, this.#taps(side, kernel, stride), weight),
      side: Math.ceil(side / stride),
    };
  }

  #norm(image: Image, path: string, activated = false): Image {
    const x = this.#g.rmsNorm(image.x, this.#weights(path), NORM_EPS);
    return { ...image, x: activated ? this.#g.activation(x, 'gelu_tanh') : x };
  }

  #layerScale(image: Image, path: string): Image {
    const gamma = this.#weights(`${path}.layer_scale.gamma`);
    return gamma.exists ? { ...image, x: this.#g.mul(image.x, gamma.parameter([image.x.width])) } : image;
  }

  /** For every pixel of the output, the kernel² pixels it sees; −1 outside. The lesser half of the padding is first. */
  #taps(side: number, kernel: number, stride: number): Value {
    const small = Math.ceil(side / stride);
    const padding = Math.max((small - 1) * stride + kernel - side, 0);
    return this.#table(`taps_${side}_${kernel}_${stride}`, small, kernel * kernel, () =>
      taken(side, small, kernel, stride, Math.floor(padding / 2)),
    );
  }

  /** One segment: every pixel sees every pixel. */
  #wholeImage(side: number): Value {
    return this.#input(`segments_${side}`, () => {
      this.tables[`segments_${side}`] = () => indexTensor([0, side * side]);
      return this.#g.input(`segments_${side}`, { rows: { constant: 2 }, width: 1, dtype: 'i32' });
    });
  }

  #table(name: string, side: number, width: number, indices: () => Int32Array): Value {
    return this.#input(name, () => {
      this.tables[name] = () => ({ data: indices(), rows: side * side, width });
      return this.#g.input(name, { rows: this.#rows(side), width, dtype: 'i32' });
    });
  }

  #input(name: string, make: () => Value): Value {
    const known = this.#inputs.get(name) ?? make();
    this.#inputs.set(name, known);
    return known;
  }

  #rows(side: number): Value['rows'] {
    return rowsOf('patches', side * side, this.#side * this.#side);
  }

  #has(path: string): boolean {
    return this.#weights(path).exists;
  }

  #shape(path: string): number[] {
    const module: CheckpointModule = this.#weights(path);
    return module.shape ?? fail(`Tensor "${module.path}.weight" is missing`);
  }
}

/** Row by row of the output: the kernel² pixels from (y·stride − before, x·stride − before) on, −1 outside. */
function taken(side: number, small: number, kernel: number, stride: number, before: number): Int32Array {
  const indices = new Int32Array((small * kernel) ** 2);
  let at = 0;
  for (let y = 0; y < small; y++) {
    for (let x = 0; x < small; x++) {
      for (let dy = 0; dy < kernel; dy++) {
        for (let dx = 0; dx < kernel; dx++) {
          const [row, column] = [y * stride - before + dy, x * stride - before + dx];
          const inside = row >= 0 && row < side && column >= 0 && column < side;
          indices[at++] = inside ? row * side + column : -1;
        }
      }
    }
  }
  return indices;
}

/** The pixel of a smaller image under each pixel. */
function nearest(side: number, small: number): Int32Array {
  const under = (i: number): number => Math.floor((i * small) / side);
  return Int32Array.from(
    { length: side * side },
    (_, i) => under(Math.floor(i / side)) * small + under(i % side),
  );
}
