// Pages with their ground truth, as the two sets that Chromium renders keep them.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bounds } from '../../src/reading/quad.js';

export interface TrueLine {
  text: string;
  bounds: Bounds;
}

export interface TruePage {
  name: string;
  picture: string;
  /** In the order of the document; of the documentation pages, in the order that people read them. */
  lines: TrueLine[];
  /** Places that show something that is no text of the page, or text that is cut off. */
  ignored: Bounds[];
}

interface Stored {
  lines: { text: string; box: [number, number, number, number] }[];
  ignored?: [number, number, number, number][];
  scale: number;
}

export function pagesOf(folder: string, prefix = '', every = 1): TruePage[] {
  const names = readdirSync(folder)
    .filter((name) => name.startsWith(prefix) && name.endsWith('.png'))
    .map((name) => name.slice(0, -4))
    .filter((name) => existsSync(join(folder, `${name}.json`)))
    .sort();
  return names.filter((_, at) => at % every === 0).map((name) => pageOf(folder, name));
}

function pageOf(folder: string, name: string): TruePage {
  const stored = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Stored;
  const toBounds = ([left, top, right, bottom]: [number, number, number, number]): Bounds => ({
    left: left * stored.scale,
    top: top * stored.scale,
    right: right * stored.scale,
    bottom: bottom * stored.scale,
  });
  const lines = stored.lines.map(({ text, box }) => ({ text, bounds: toBounds(box) }));
  const ignored = (stored.ignored ?? []).map(toBounds);
  // Pages whose text lies over other text have no readable truth there.
  const isLayered = (line: TrueLine) =>
    ignored.some((bounds) => layered(line.bounds, bounds)) ||
    lines.some((other) => other !== line && layered(line.bounds, other.bounds));
  const covered = new Set(stored.ignored ? lines.filter(isLayered) : []);
  return {
    name,
    picture: join(folder, `${name}.png`),
    lines: lines.filter((line) => !covered.has(line)),
    ignored: [...ignored, ...[...covered].map(({ bounds }) => bounds)],
  };
}

/** Text over text: the boxes share more than the leading that neighbours do. */
function layered(a: Bounds, b: Bounds): boolean {
  const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return across > 2 && down > 0.3 * Math.min(a.bottom - a.top, b.bottom - b.top);
}

/** The page's text in the order that the truth tells. */
export function toldText(lines: readonly TrueLine[]): string {
  return lines.map(({ text }) => text).join('\n');
}

/** The page's text, one row of it per line, as the reading instruction wants it. */
export function rowsText(lines: readonly TrueLine[]): string {
  const middle = ({ bounds }: TrueLine) => (bounds.top + bounds.bottom) / 2;
  const rows: TrueLine[][] = [];
  for (const line of [...lines].sort((a, b) => middle(a) - middle(b))) {
    const first = rows.at(-1)?.[0];
    const height = line.bounds.bottom - line.bounds.top;
    if (first && middle(line) - middle(first) < 0.4 * height) rows.at(-1)!.push(line);
    else rows.push([line]);
  }
  const left = (row: TrueLine[]) => row.sort((a, b) => a.bounds.left - b.bounds.left);
  return rows
    .map((row) =>
      left(row)
        .map(({ text }) => text)
        .join(' '),
    )
    .join('\n');
}
