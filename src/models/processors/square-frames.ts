// Square frames of one size as rows of patches, with the tables that a SigLIP tower reads.
import type { NamedTensor } from '../family.js';
import type { RgbImage } from '../../image/rgb-image.js';
import { indexTensor, rasterCorners, writePatchRows, type ChannelTables } from './pixels.js';

/** All frames are `side` whole patches wide and high; pixels beyond them are in none, as with a convolution. */
export function frameInputs(
  frames: RgbImage[],
  tables: ChannelTables,
  patch: number,
): Record<string, NamedTensor> {
  const side = Math.floor(frames[0]!.width / patch);
  const area = side * side;
  const corners = rasterCorners({ rows: side, columns: side, patch });
  const width = 3 * patch * patch;
  const pixels = new Float32Array(frames.length * area * width);
  frames.forEach((frame, i) =>
    writePatchRows(frame, tables, corners, patch, 1, pixels.subarray(i * area * width)),
  );
  return {
    pixel_values: { data: pixels, rows: frames.length * area, width },
    position_index: indexTensor(Array.from({ length: frames.length * area }, (_, i) => i % area)),
    segments: indexTensor(Array.from({ length: frames.length + 1 }, (_, i) => i * area)),
  };
}

/** Patches of `frames` square frames in blocks of block × block, each block's patches together, blocks in raster order. */
export function blockOrder(frames: number, side: number, block: number): number[] {
  const order: number[] = [];
  for (let frame = 0; frame < frames; frame++) {
    for (let top = 0; top < side; top += block) {
      for (let left = 0; left < side; left += block) {
        for (let y = 0; y < block; y++)
          for (let x = 0; x < block; x++) order.push((frame * side + top + y) * side + left + x);
      }
    }
  }
  return order;
}
