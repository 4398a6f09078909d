// Pictures for tests, drawn here: small, different from each other, and written to a folder of their own.
import sharp from 'sharp';
import { scratchFolder } from '../scratch-folder.js';

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export function pictureFolder(): string {
  return scratchFolder('pictures');
}

/** A plain picture with colored boxes on it. */
export async function draw(
  file: string,
  background: string,
  boxes: (Box & { color: string })[] = [],
  size = { width: 320, height: 200 },
): Promise<string> {
  const overlays = boxes.map(({ x, y, width, height, color }) => ({
    input: { create: { width, height, channels: 3 as const, background: color } },
    left: x,
    top: y,
  }));
  await sharp({ create: { ...size, channels: 3, background } })
    .composite(overlays)
    .png()
    .toFile(file);
  return file;
}
