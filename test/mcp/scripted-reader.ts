// A text reader without networks: finds two lines in every picture, and a third that tells pictures apart.
import type { ImageInput } from '../../src/image/rgb-image.js';
import type { Reader, Reading, ReadLine, ReadOptions } from '../../src/reading/reading.js';

export class ScriptedReader implements Reader {
  async begin(): Promise<void> {}

  async read(
    { pixelHash, width, height }: ImageInput,
    { onProgress, signal }: ReadOptions = {},
  ): Promise<Reading> {
    signal?.throwIfAborted();
    onProgress?.(0, 3);
    const lines = [
      line('First line', 0, 0, width / 2, height / 4),
      line('Second [?] line', 0, height / 2, width, height / 4),
      line(`Pixels ${pixelHash.slice(0, 6)}`, 0, height * 0.75, width, height / 4),
    ];
    onProgress?.(3, 3);
    return { width, height, lines, rows: [[0], [1], [2]] };
  }

  async close(): Promise<void> {}
}

export function line(text: string, x: number, y: number, width: number, height: number): ReadLine {
  const solid = [...text.matchAll(/\[\?\]|\S/g)];
  return {
    text,
    confidence: 0.9,
    box: { x: Math.round(x), y: Math.round(y), width: Math.round(width), height: Math.round(height) },
    characters: solid.map((match) => ({
      text: match[0],
      from: match.index / text.length,
      to: (match.index + match[0].length) / text.length,
    })),
  };
}
