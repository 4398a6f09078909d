// Elements whose text is the same in two pictures but whose state is not: a box that was checked, a row that was selected.
// Only where pixels near the line changed, and where they changed the element classifier's mind clearly.
import type { Region } from '../image/region.js';
import type { Elements, Mark } from './elements.js';
import type { Reading, ReadLine } from './reading.js';

export interface StateChange {
  role: string;
  text: string;
  /** What it is now: "checked", "off", "selected", "not disabled". */
  now: string;
  before: Region;
  after: Region;
}

interface Seen {
  reading: Reading;
  elements: Elements;
}

/** States that exclude each other; of the others, "not" says that they are gone. */
const OPPOSITE: Record<string, string> = {
  checked: 'not checked',
  'not checked': 'checked',
  on: 'off',
  off: 'on',
};
const TOLD = [...Object.keys(OPPOSITE), 'selected', 'disabled'];
/** Roles that are easily taken for each other, and have the same states. */
const ALIKE: Record<string, string> = { radio: 'checkbox' };
/** Logits by which a state has become likelier than it was. */
const CLEAR = 1.5;
/** A mark stands within so many heights of its line in the same row, */
const ALONG = 30;
/** and within so many above or below. */
const ACROSS = 1;

/**
 * @param regions Where pixels changed, in pixels of the second picture.
 * @param scale Of the second picture over the first, where one shows the other at another size.
 */
export function stateChanges(
  before: Seen,
  after: Seen,
  regions: readonly Region[],
  scale = 1,
): StateChange[] {
  const left = before.reading.lines.map((line, i) => ({ line, mark: before.elements.marks[i]! }));
  const changes: StateChange[] = [];
  for (const [i, line] of after.reading.lines.entries()) {
    const mark = after.elements.marks[i]!;
    if (!regions.some((region) => near(line.box, region))) continue;
    const same = left.filter(
      ({ line: old, mark: was }) => key(old) === key(line) && kind(was) === kind(mark),
    );
    const nearest = same.sort((a, b) => away(a.line, line, scale) - away(b.line, line, scale))[0];
    if (!nearest) continue;
    left.splice(left.indexOf(nearest), 1);
    const now = changed(nearest.mark, mark);
    if (now !== undefined)
      changes.push({ role: mark.role, text: line.text, now, before: nearest.line.box, after: line.box });
  }
  return changes;
}

function changed(old: Mark, now: Mark): string | undefined {
  const moved = (state: string) => (now.margins[state] ?? 0) - (old.margins[state] ?? 0);
  const gained = TOLD.find((state) => isNew(state, now, old) && moved(state) > CLEAR);
  if (gained !== undefined) return gained;
  const lost = TOLD.find((state) => isNew(state, old, now) && moved(state) < -CLEAR);
  return lost === undefined ? undefined : (OPPOSITE[lost] ?? `not ${lost}`);
}

function isNew(state: string, mark: Mark, before: Mark): boolean {
  return mark.states.includes(state) && !before.states.includes(state);
}

function kind({ role }: Mark): string {
  return ALIKE[role] ?? role;
}

function near({ x, y, width, height }: Region, region: Region): boolean {
  const level = region.y < y + height * (1 + ACROSS) && region.y + region.height > y - height * ACROSS;
  const beside = region.x < x + width + height * ALONG && region.x + region.width > x - height * ALONG;
  return level && beside;
}

function key({ text }: ReadLine): string {
  return text.replace(/\s+/g, '');
}

function away({ box: a }: ReadLine, { box: b }: ReadLine, scale: number): number {
  return Math.abs(a.x * scale - b.x) + Math.abs(a.y * scale - b.y);
}
