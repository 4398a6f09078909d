// Gemma 3's pan and scan: an image far from square is shown once more in crops along its longer side.
import type { Config } from '../checkpoint/config.js';
import type { Size } from './smart-resize.js';

export interface PanAndScan {
  minCropSize: number;
  maxCrops: number;
  /** Images nearer to square than this have no crops. */
  minRatio: number;
}

export interface Crop extends Size {
  x: number;
  y: number;
}

/** The settings of the file, or null where they switch it off (the default). */
export function panAndScanSettings(settings: Config): PanAndScan | null {
  if (!settings.boolean('do_pan_and_scan', false)) return null;
  return {
    minCropSize: settings.count('pan_and_scan_min_crop_size', 256),
    maxCrops: settings.count('pan_and_scan_max_num_crops', 4),
    minRatio: settings.number('pan_and_scan_min_ratio_to_activate', 1.2),
  };
}

export function panAndScanCrops({ width, height }: Size, limits: PanAndScan): Crop[] {
  const [long, short] = [Math.max(width, height), Math.min(width, height)];
  if (long / short < limits.minRatio) return [];
  const wanted = Math.min(Math.floor(long / limits.minCropSize), Math.floor(long / short + 0.5));
  const count = Math.min(limits.maxCrops, Math.max(2, wanted));
  const side = Math.ceil(long / count);
  if (Math.min(side, short) < limits.minCropSize) return [];
  return Array.from({ length: count }, (_, i) => {
    const start = i * side;
    const length = Math.min(side, long - start);
    if (width >= height) return { x: start, y: 0, width: length, height: short };
    return { x: 0, y: start, width: short, height: length };
  });
}
