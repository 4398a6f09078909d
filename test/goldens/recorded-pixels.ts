// Recorded `pixel_values` as rows of the vision program. The reference returns patch rows, padded patch rows per tile,
// a strip of patches or whole planes; which one it is shows in the array's shape.
import type { ImagePlan, NamedTensor } from '../../src/models/family.js';
import { joinedRows } from '../../src/models/processors/pixels.js';
import type { Expected } from './case-files.js';

/** Hands out, image by image in prompt order, the rows that correspond to what the processor itself made. */
export class RecordedPixels {
  readonly #recorded: Expected;

  /** Rows, tiles or frames already handed out. */
  #used = 0;

  /** Images already handed out. */
  #images = 0;

  constructor(recorded: Expected) {
    this.#recorded = recorded;
  }

  next(own: NamedTensor, plan: ImagePlan): NamedTensor {
    const { shape } = this.#recorded;
    const patch = Math.sqrt(own.width / 3);
    if (shape.length === 4 && shape[2] === patch && shape[3]! > patch) return this.#strip(own, patch);
    if (shape.length >= 4 && shape.at(-1)! > patch) return this.#planes(own, plan, patch);
    return shape.length === 3 ? this.#tiles(own, plan) : this.#rows(own);
  }

  /** [patches, width] or [patches, 3, p, p] */
  #rows(own: NamedTensor): NamedTensor {
    const data = this.#recorded.data.subarray(this.#used * own.width, (this.#used + own.rows) * own.width);
    this.#used += own.rows;
    return { ...own, data };
  }

  /** [tiles, most patches, width]: each tile's rows stand first. */
  #tiles(own: NamedTensor, plan: ImagePlan): NamedTensor {
    const [, padded = 0] = this.#recorded.shape;
    const data = new Float32Array(own.rows * own.width);
    let at = 0;
    const { spatial_shapes = [plan.layout.patch_grids] } = plan.layout;
    for (const [rows, columns] of spatial_shapes as [number, number][]) {
      const from = this.#used++ * padded * own.width;
      const count = rows * columns * own.width;
      data.set(this.#recorded.data.subarray(from, from + count), at);
      at += count;
    }
    return { ...own, data };
  }

  /** [1, 3, p, patches · p] */
  #strip(own: NamedTensor, patch: number): NamedTensor {
    const across = this.#recorded.shape[3]!;
    const data = new Float32Array(own.rows * own.width);
    let at = 0;
    for (let p = this.#used; p < this.#used + own.rows; p++) {
      for (let line = 0; line < 3 * patch; line++, at += patch) {
        const from = line * across + p * patch;
        data.set(this.#recorded.data.subarray(from, from + patch), at);
      }
    }
    this.#used += own.rows;
    return { ...own, data };
  }

  /**
   * [frames, 3, H, W], cut to the image's own size where the frames are padded, or [images, frames, 3, H, W] of one size,
   * where an image of fewer frames than the others is followed by blank ones.
   */
  #planes(own: NamedTensor, plan: ImagePlan, patch: number): NamedTensor {
    const { shape } = this.#recorded;
    const [height, width] = shape.slice(-2) as [number, number];
    const sizes = shape.length === 4 ? (plan.layout.image_sizes as [number, number] | undefined) : undefined;
    const [rows, columns] = (sizes ?? [height, width]).map((side) => side / patch) as [number, number];
    if (shape.length === 5 && shape[0]! > 1) this.#used = this.#images * shape[1]!;
    this.#images++;
    const frames = own.rows / (rows * columns);
    const data = new Float32Array(own.rows * own.width);
    let at = 0;
    for (let frame = this.#used; frame < this.#used + frames; frame++) {
      for (let p = 0; p < rows * columns; p++) {
        for (let c = 0; c < 3; c++) {
          for (let y = 0; y < patch; y++) {
            const top = Math.floor(p / columns) * patch + y;
            const from = ((frame * 3 + c) * height + top) * width + (p % columns) * patch;
            data.set(this.#recorded.data.subarray(from, from + patch), at);
            at += patch;
          }
        }
      }
    }
    this.#used += frames;
    return { ...own, data };
  }
}

/** Tiles of all images in one array and whole views in another; an image's rows are those of its tiles, then of its view. */
export class TilesFirst {
  readonly #tiles: RecordedPixels;
  readonly #views: RecordedPixels;

  constructor(tiles: Expected, views: Expected) {
    this.#tiles = new RecordedPixels(tiles);
    this.#views = new RecordedPixels(views);
    this.#shape = views.shape;
  }

  readonly #shape: number[];

  next(own: NamedTensor, plan: ImagePlan): NamedTensor {
    const view = (this.#shape.at(-1)! * this.#shape.at(-2)!) / (own.width / 3);
    const tiled = {
      ...own,
      rows: own.rows - view,
      data: own.data.subarray(0, (own.rows - view) * own.width),
    };
    const whole = { ...own, rows: view, data: own.data.subarray((own.rows - view) * own.width) };
    const parts = tiled.rows > 0 ? [this.#tiles.next(tiled, plan)] : [];
    return joinedRows([...parts, this.#views.next(whole, plan)]);
  }
}
