// Operators on images: the rows of I images, one after the other, each in raster order. native/graph/ops.h states every
// formula.
import type { Rows, WeightRecipe } from './program.js';
import { dividedRows, fail, multipliedRows, type Attributes, type Value } from './program-writer.js';
import { only, RowBuilder, type ActivationName } from './row-builder.js';
import { grouped, hasWidth, integers, matrixShape, vectorShape } from './shape-checks.js';

/** x[R,C] and sizes i32[I,2]: height and width of each image. */
export interface Images {
  x: Value;
  sizes: Value;
}

/** Window of a convolution, [y, x]; padding where absent is half the kernel. */
export interface Window {
  kernel: [number, number];
  stride?: [number, number];
  pad?: [number, number];
}

/** y = f(y + bias) · scale + shift, behind the sums of a convolution. */
export interface Finish {
  bias?: WeightRecipe | null;
  activation?: ActivationName;
  scale?: number;
  shift?: number;
}

const WINDOW = { kernelY: 1, kernelX: 1, strideY: 1, strideX: 1, padY: 0, padX: 0 };

export class ImageBuilder extends RowBuilder {
  /** weight[out, kernelY·kernelX·C], the window in raster order. */
  convolution({ x, sizes }: Images, weight: WeightRecipe, window: Window, finish: Finish = {}): Value {
    const [out, columns] = matrixShape('convolution', weight);
    const taps = window.kernel[0] * window.kernel[1];
    if (columns !== taps * x.width)
      fail(
        `convolution: "${weight.name}" has ${columns} columns for ${taps} taps of "${x.name}", ${x.width} wide`,
      );
    biasShape('convolution', finish, out);
    return this.#windowed('convolution', { x, sizes }, out, [weight, finish.bias ?? null], window, finish);
  }

  /** weight[kernelY·kernelX, C]. */
  depthwiseConvolution(
    { x, sizes }: Images,
    weight: WeightRecipe,
    window: Window,
    finish: Finish = {},
  ): Value {
    depthwiseShape('depthwiseConvolution', x, weight, window, finish);
    const weights = [weight, finish.bias ?? null];
    return this.#windowed('depthwiseConvolution', { x, sizes }, x.width, weights, window, finish);
  }

  /** A depthwise convolution, then one of 1 × 1 with weight[out, C] on its finished result. */
  separableConvolution(
    { x, sizes }: Images,
    depthwise: { weight: WeightRecipe; window: Window; finish: Finish },
    weight: WeightRecipe,
    finish: Finish = {},
  ): Value {
    const [out, columns] = matrixShape('separableConvolution', weight);
    if (columns !== x.width)
      fail(`separableConvolution: "${weight.name}" has ${columns} columns for "${x.name}", ${x.width} wide`);
    biasShape('separableConvolution', finish, out);
    const { weight: taps, window, finish: inner } = depthwise;
    depthwiseShape('separableConvolution', x, taps, window, inner);
    return this.#windowed(
      'separableConvolution',
      { x, sizes },
      out,
      [weight, finish.bias ?? null, taps, inner.bias ?? null],
      window,
      finish,
      only(
        {
          innerActivation: inner.activation ?? 'none',
          innerScale: inner.scale ?? 1,
          innerShift: inner.shift ?? 0,
        },
        { innerActivation: 'none', innerScale: 1, innerShift: 0 },
      ),
    );
  }

  /** Mean over the pixels of each image: [R,C] → [I,C]. */
  imageMean({ x, sizes }: Images): Value {
    integers('imageMean', sizes, 2);
    return this.one('imageMean', [x, sizes], { rows: sizes.rows, width: x.width });
  }

  /** Every pixel times its image's gain[I,C]. */
  scaleImages({ x, sizes }: Images, gain: Value): Value {
    integers('scaleImages', sizes, 2);
    hasWidth('scaleImages', gain, x.width);
    return this.one('scaleImages', [x, sizes, gain], x);
  }

  /** Columns of a pixel become `factor`² pixels of C / factor² columns. */
  spread({ x, sizes }: Images, factor: number): Value {
    return this.#enlarge({ x, sizes }, factor, grouped('spread', x, factor * factor), {});
  }

  /** Every pixel repeated to `factor`² pixels. */
  nearest({ x, sizes }: Images, factor: number): Value {
    return this.#enlarge({ x, sizes }, factor, x.width, { whole: true });
  }

  #enlarge({ x, sizes }: Images, factor: number, width: number, attrs: Attributes): Value {
    integers('spread', sizes, 2);
    const rows = multipliedRows(x.rows, factor * factor);
    return this.one('spread', [x, sizes], { rows, width }, [], { factor, ...attrs });
  }

  #windowed(
    op: string,
    { x, sizes }: Images,
    width: number,
    weights: (WeightRecipe | null)[],
    window: Window,
    finish: Finish,
    inner: Attributes = {},
  ): Value {
    integers(op, sizes, 2);
    const attrs = windowAttributes(op, window);
    const rows: Rows = dividedRows(x.rows, attrs.strideY * attrs.strideX);
    const { activation = 'none', scale = 1, shift = 0 } = finish;
    return this.one(op, [x, sizes], { rows, width }, weights, {
      ...only(attrs, WINDOW),
      ...only({ activation, scale, shift }, { activation: 'none', scale: 1, shift: 0 }),
      ...inner,
    });
  }
}

function windowAttributes(op: string, window: Window): typeof WINDOW {
  const [kernelY, kernelX] = window.kernel;
  const [strideY, strideX] = window.stride ?? [1, 1];
  const [padY, padX] = window.pad ?? [Math.floor(kernelY / 2), Math.floor(kernelX / 2)];
  for (const [kernel, stride, pad] of [
    [kernelY, strideY, padY],
    [kernelX, strideX, padX],
  ] as const) {
    const inside = kernel - 2 * pad;
    if (inside < 1 || inside > stride)
      fail(`${op}: a window of ${kernel} with stride ${stride} and padding ${pad} does not divide an image`);
  }
  return { kernelY, kernelX, strideY, strideX, padY, padX };
}

function depthwiseShape(op: string, x: Value, weight: WeightRecipe, window: Window, finish: Finish): void {
  const [taps, channels] = matrixShape(op, weight);
  if (taps !== window.kernel[0] * window.kernel[1] || channels !== x.width)
    fail(`${op}: "${weight.name}" has ${taps} taps of ${channels} channels for "${x.name}", ${x.width} wide`);
  biasShape(op, finish, channels);
}

function biasShape(op: string, finish: Finish, length: number): void {
  if (finish.bias) vectorShape(op, finish.bias, length);
}
