// Which read line is the content of which field: the nearest one below its name or beside it.
import type { Region } from '../image/region.js';
import type { HandedLine } from './conversations.js';

/** How far below its name a field's content may begin, in heights of the name. */
const FAR = 2.6;

/** For each field's index the index of the line that is its content. */
export function fieldValues(lines: readonly HandedLine[]): Map<number, number> {
  const found = new Map<number, number>();
  const of = (role: string) => lines.flatMap(({ mark }, i) => (mark?.role === role ? [i] : []));
  const fields = of('field');
  for (const value of of('value')) {
    const near = fields
      .map((field) => ({ field, away: distance(lines[field]!.box, lines[value]!.box) }))
      .reduce((a, b) => (b.away < a.away ? b : a), { field: -1, away: Infinity });
    if (near.away < Infinity && !found.has(near.field)) found.set(near.field, value);
  }
  return found;
}

/** From a field's name to what may be its content, in pixels; Infinity where it stands elsewhere. */
function distance(name: Region, value: Region): number {
  const down = value.y + value.height / 2 - (name.y + name.height / 2);
  if (Math.abs(down) < 0.5 * name.height)
    return value.x >= name.x + name.width ? value.x - (name.x + name.width) : Infinity;
  const beside = value.x >= name.x + name.width || value.x + value.width <= name.x - 2 * name.height;
  return down > 0 && down < (FAR + 0.5) * name.height && !beside ? down : Infinity;
}
