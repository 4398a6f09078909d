// Qwen2.5-VL's window attention: merged cells are taken window by window, so that each window is one segment of rows.
// Bai et al. 2025, https://arxiv.org/abs/2502.13923
import type { PatchExtent } from '../processors/qwen-image.js';

export interface WindowOrder {
  /** Merged cells (raster ids) in window order. */
  cells: number[];
  /** Boundaries of the windows, in patches; starts with 0. */
  boundaries: number[];
}

/** @param side Cells on a window's side. Windows at the right and bottom edge are smaller; none is empty. */
export function windowOrder({ rows, columns, merge }: PatchExtent, side: number): WindowOrder {
  const [height, width] = [rows / merge, columns / merge];
  const cells: number[] = [];
  const boundaries = [0];
  for (let top = 0; top < height; top += side) {
    for (let left = 0; left < width; left += side) {
      for (let y = top; y < Math.min(top + side, height); y++) {
        for (let x = left; x < Math.min(left + side, width); x++) cells.push(y * width + x);
      }
      boundaries.push(cells.length * merge * merge);
    }
  }
  return { cells, boundaries };
}

/** Where each cell went: the permutation that undoes `cells`. */
export function inverseOrder(cells: number[]): number[] {
  const inverse = new Array<number>(cells.length);
  cells.forEach((cell, i) => (inverse[cell] = i));
  return inverse;
}
