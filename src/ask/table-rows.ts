// Which read lines are the cells of one row of a table: those that stand beside each other, most of them said to be cells.
import type { HandedLine } from './conversations.js';

export interface TableRow {
  /** Index of its first line; its cells follow each other. */
  first: number;
  count: number;
  role: string;
  selected: boolean;
}

const CELLS = ['row', 'header'];

/** For each line that is a cell its row. */
export function tableRows(lines: readonly HandedLine[]): Map<number, TableRow> {
  const rows = new Map<number, TableRow>();
  for (let first = 0, next = 0; first < lines.length; first = next) {
    do next++;
    while (next < lines.length && beside(lines[next - 1]!, lines[next]!));
    const row = rowOf(lines.slice(first, next), first);
    for (let at = first; row && at < next; at++) rows.set(at, row);
  }
  return rows;
}

function rowOf(cells: readonly HandedLine[], first: number): TableRow | undefined {
  const of = (role: string) => cells.filter(({ mark }) => mark?.role === role);
  const [role, found] = CELLS.map((name) => [name, of(name)] as const).reduce((a, b) =>
    b[1].length > a[1].length ? b : a,
  );
  if (2 * found.length <= cells.length) return undefined;
  // One look for all cells: what they say together of being selected.
  const margin = found.reduce((sum, { mark }) => sum + (mark!.margins['selected'] ?? 0), 0);
  return { first, count: cells.length, role, selected: margin > 0 };
}

function beside({ box: left }: HandedLine, { box: right }: HandedLine): boolean {
  const off = right.y + right.height / 2 - (left.y + left.height / 2);
  return Math.abs(off) <= 0.5 * Math.min(left.height, right.height) && right.x >= left.x + left.width;
}
