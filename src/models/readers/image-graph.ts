// What both programs of a reader are written with: images at a step, layers of a network, tables of image sizes.
import { GraphBuilder, rowsOf, type Images, type Value } from '../../graph/builder.js';
import type { Finish, Window } from '../../graph/image-builder.js';
import { fail } from '../../graph/program-writer.js';
import type { Program, WeightRecipe } from '../../graph/program.js';
import type { ConvolutionLayer, Gate, LcNet, LcNetBlock, LinearLayer } from './networks.js';
import { PackedWeights } from './packed-weights.js';

export type Step = readonly [y: number, x: number] | 'whole';

/** Images whose pixels are `step` pixels of the input apart. */
export interface Picture extends Images {
  step: readonly [number, number];
}

/** A program that reads images, its weights, and the tables of sizes it wants beside the pixels. */
export interface ImageProgram {
  program: Program;
  /** A safetensors image, or the path of a file that holds one. */
  weights: Uint8Array | string;
  /** Name of the i32 [images, 2] input of heights and widths at each step; `whole`: an image is one pixel. */
  tables: { name: string; step: Step }[];
}

export class ImageGraph {
  readonly g: GraphBuilder;
  readonly packed = new PackedWeights();
  readonly #tables = new Map<string, { step: Step; value: Value }>();

  constructor(name: Program['name']) {
    this.g = new GraphBuilder(name);
  }

  /** The input: RGB, normalized, a pixel per row. */
  pixels(): Picture {
    return this.at(this.g.input('pixel_values', { rows: rowsOf('pixels'), width: 3 }), [1, 1]);
  }

  at(x: Value, step: readonly [number, number]): Picture {
    return { x, sizes: this.#sizes(`sizes_${step.join('x')}`, step), step };
  }

  #sizes(name: string, step: Step): Value {
    const known = this.#tables.get(name);
    if (known) return known.value;
    const value = this.g.input(name, { rows: rowsOf('images'), width: 2, dtype: 'i32' });
    this.#tables.set(name, { step, value });
    return value;
  }

  finish(): ImageProgram {
    const tables = [...this.#tables].map(([name, { step }]) => ({ name, step }));
    return { program: this.g.finish(), weights: this.packed.bytes(), tables };
  }

  convolution(image: Picture, layer: ConvolutionLayer, name: string): Picture {
    const weight = this.#kernel(layer, name);
    const x = this.g.convolution(image, weight, windowOf(layer), this.#settled(layer, name));
    return this.#strided(image, x, layer);
  }

  depthwise(image: Picture, layer: ConvolutionLayer, name: string): Picture {
    const taps = this.#taps(layer, name);
    const x = this.g.depthwiseConvolution(image, taps, windowOf(layer), this.#settled(layer, name));
    return this.#strided(image, x, layer);
  }

  /** Mean over non-overlapping windows. */
  averaged(image: Picture, window: [number, number], name: string): Picture {
    const [taps, width] = [window[0] * window[1], image.x.width];
    const weight = this.packed.add(name, [taps, width], new Float32Array(taps * width).fill(1 / taps));
    const x = this.g.depthwiseConvolution(image, weight, { kernel: window, stride: window, pad: [0, 0] });
    return this.at(x, [image.step[0] * window[0], image.step[1] * window[1]]);
  }

  /** One gain for each image and channel. */
  gain(image: Picture, [squeeze, excite]: Gate, name: string): Value {
    const sizes = this.#sizes('sizes_whole', 'whole');
    const small = this.#pointwise({ x: this.g.imageMean(image), sizes }, squeeze, `${name}.squeeze`);
    return this.#pointwise({ x: small, sizes }, excite, `${name}.excite`);
  }

  linear(x: Value, layer: LinearLayer, name: string): Value {
    const weight = this.packed.add(`${name}.weight`, layer.shape, layer.weight);
    return this.g.matmul(x, weight, this.packed.vector(`${name}.bias`, layer.bias));
  }

  /** The same on pixels, as a convolution of 1 × 1: its kernels keep f32 weights as they are, and run at full width on any number of inputs. */
  pixelLinear(image: Images, { shape: [out, columns], weight, bias }: LinearLayer, name: string): Value {
    const layer: ConvolutionLayer = { shape: [out!, columns!, 1, 1], weight, bias, stride: [1, 1] };
    return this.#pointwise(image, layer, name);
  }

  backbone(image: Picture, net: LcNet): Picture[] {
    let at = this.convolution(image, net.stem, 'stem');
    return net.stages.map((blocks, s) => {
      for (const [b, block] of blocks.entries()) at = this.#block(at, block, `stages.${s}.${b}`);
      this.g.named(`stages.${s}.output`, at.x);
      return at;
    });
  }

  #block(image: Picture, { depthwise, gate, pointwise }: LcNetBlock, name: string): Picture {
    if (gate) {
      const middle = this.depthwise(image, depthwise, `${name}.depthwise`);
      const x = this.g.scaleImages(middle, this.gain(middle, gate, `${name}.gate`));
      return this.convolution({ ...middle, x }, pointwise, `${name}.pointwise`);
    }
    const x = this.g.separableConvolution(
      image,
      {
        weight: this.#taps(depthwise, `${name}.depthwise`),
        window: windowOf(depthwise),
        finish: this.#settled(depthwise, `${name}.depthwise`),
      },
      this.#kernel(pointwise, `${name}.pointwise`),
      this.#settled(pointwise, `${name}.pointwise`),
    );
    return this.#strided(image, x, depthwise);
  }

  #pointwise(image: Images, layer: ConvolutionLayer, name: string): Value {
    return this.g.convolution(image, this.#kernel(layer, name), windowOf(layer), this.#settled(layer, name));
  }

  #strided({ step }: Picture, x: Value, { stride }: ConvolutionLayer): Picture {
    return this.at(x, [step[0] * stride[0], step[1] * stride[1]]);
  }

  /** [out, in, ky, kx] as [out, (ky, kx, in)]. */
  #kernel({ shape, weight }: ConvolutionLayer, name: string): WeightRecipe {
    const [out, channels, ky, kx] = shape as [number, number, number, number];
    const taps = ky * kx;
    const data = taps === 1 ? weight : new Float32Array(weight.length);
    for (let o = 0, to = 0; taps > 1 && o < out; o++)
      for (let t = 0; t < taps; t++)
        for (let c = 0, from = o * channels * taps + t; c < channels; c++, from += taps)
          data[to++] = weight[from]!;
    return this.packed.add(`${name}.weight`, [out, taps * channels], data);
  }

  /** [C, 1, ky, kx] as [(ky, kx), C]. */
  #taps({ shape, weight }: ConvolutionLayer, name: string): WeightRecipe {
    const [channels, inside, ky, kx] = shape as [number, number, number, number];
    if (inside !== 1) fail(`"${name}" of shape [${shape.join(', ')}] is not a depthwise kernel`);
    const taps = ky * kx;
    const data = new Float32Array(weight.length);
    for (let c = 0; c < channels; c++)
      for (let t = 0; t < taps; t++) data[t * channels + c] = weight[c * taps + t]!;
    return this.packed.add(`${name}.weight`, [taps, channels], data);
  }

  #settled({ bias, activation, scale, shift }: ConvolutionLayer, name: string): Finish {
    return {
      bias: this.packed.vector(`${name}.bias`, bias),
      ...(activation ? { activation } : {}),
      ...(scale === undefined ? {} : { scale }),
      ...(shift === undefined ? {} : { shift }),
    };
  }
}

function windowOf({ shape, stride }: ConvolutionLayer): Window {
  return { kernel: [shape[2]!, shape[3]!], stride };
}
