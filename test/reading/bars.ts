// Pictures of black bars, and networks that see the bars as lines and read how wide they are.
import type { TextNetworks } from '../../src/engine/text-networks.js';
import { pixelIdentity } from '../../src/image/key.js';
import type { ImageInput, RgbImage } from '../../src/image/rgb-image.js';

export interface Bar {
  x: number;
  y: number;
  width: number;
}
const BAR_ROWS = 12;

export function picture(width: number, height: number, bars: readonly Bar[]): ImageInput {
  const data = new Uint8Array(width * height * 3).fill(255);
  for (const bar of bars)
    for (let y = bar.y; y < bar.y + BAR_ROWS; y++)
      // A light column every eight parts the bar into letters.
      for (let x = bar.x; x < bar.x + bar.width; x++)
        if ((x - bar.x) % 8 !== 7) data.fill(0, (y * width + x) * 3, (y * width + x) * 3 + 3);
  const image: RgbImage = { width, height, data };
  return { ...pixelIdentity(image), pixels: async () => image };
}

export class BarNetworks implements TextNetworks {
  readonly identity = 'bars';
  readonly name = 'bars';
  readonly characters = ['', ...'HIJ', ' '];
  detected = 0;
  recognised = 0;
  closed = false;

  async detect({ width, height, data }: RgbImage): Promise<Float32Array> {
    this.detected++;
    const map = new Float32Array(width * height);
    for (let y = 0; y < height; y++)
      for (let x = 1; x < width - 1; x++)
        if ([x - 1, x, x + 1].some((at) => data[(y * width + at) * 3]! < 128)) map[y * width + x] = 0.9;
    return map;
  }

  /** An H for every dark stretch of the middle row. */
  async recognise(crops: RgbImage[]) {
    this.recognised += crops.length;
    return crops.map(({ width, data }) => {
      const classes = new Int32Array(width / 8);
      const dark = (x: number) => data[(24 * width + x) * 3]! < 128;
      for (let x = 0, start = -1; x < width; x++) {
        if (dark(x) && start < 0) start = x;
        if (start >= 0 && (!dark(x) || x === width - 1)) {
          classes[Math.min(classes.length - 1, Math.floor((start + x) / 16))] = 1;
          start = -1;
        }
      }
      return { classes, probabilities: new Float32Array(width / 8).fill(0.95) };
    });
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

export const THREE = [
  { x: 20, y: 20, width: 80 },
  { x: 20, y: 60, width: 48 },
  { x: 200, y: 60, width: 64 },
];
