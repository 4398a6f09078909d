// Figures of one script, by name: to the terminal, as JSON, or into their section of bench/results.md.
import { writeSection } from './results.js';

export type Figures = Record<string, number | string>;

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

/** @param digits Behind the point. */
export function report(
  section: string,
  figures: Figures,
  { json, write }: { json: boolean; write: boolean },
  digits: number,
): void {
  const shown = Object.entries(figures).map(([name, value]): [string, string] => [
    name,
    typeof value === 'number' ? value.toFixed(digits) : value,
  ]);
  const width = Math.max(...shown.map(([name]) => name.length)) + 2;
  if (json) process.stdout.write(`${JSON.stringify(figures)}\n`);
  else for (const [name, value] of shown) process.stdout.write(`${name.padEnd(width)}${value}\n`);
  const rows = shown.map((pair) => `| ${pair.join(' | ')} |`);
  if (write) writeSection(section, ['| | |', '|---|---|', ...rows].join('\n'));
}
