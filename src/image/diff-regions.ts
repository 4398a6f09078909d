// Changed pixels → a few boxes: near ones belong together, and a person or a model can look at ten, not at a thousand.
import type { Region } from './region.js';

export interface ChangedRegion extends Region {
  changedPixels: number;
}

/** One byte a pixel, row-major; 1 = changed. */
export interface ChangeMask {
  width: number;
  height: number;
  data: Uint8Array;
}

/** Pixels; boxes at most this far apart are one. */
const NEAR = 12;

/** More components than this are first gathered in larger cells, which keeps pairwise merging cheap. */
const MANY = 400;

/** Largest first; at most `most`, because the distance that counts as near grows until they are few enough. */
export function changedRegions(mask: ChangeMask, most: number): ChangedRegion[] {
  let boxes: ChangedRegion[] = [];
  for (let cell = 8; ; cell *= 2) {
    boxes = components(mask, cell);
    if (boxes.length <= MANY) break;
  }
  for (let near = NEAR; ; near *= 2) {
    boxes = merged(boxes, near);
    if (boxes.length <= most) break;
  }
  return boxes.sort((a, b) => b.width * b.height - a.width * a.height || a.y - b.y || a.x - b.x);
}

/** Exact bounding boxes of the changed pixels of touching cells (diagonals and one free cell between included). */
function components(mask: ChangeMask, cell: number): ChangedRegion[] {
  const columns = Math.ceil(mask.width / cell);
  const rows = Math.ceil(mask.height / cell);
  const boxes = cellBoxes(mask, cell, columns, rows);
  const found: ChangedRegion[] = [];
  for (let start = 0; start < boxes.length; start++) {
    let whole = boxes[start];
    if (!whole) continue;
    boxes[start] = undefined;
    const open = [start];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const next of neighbours(at, columns, rows)) {
        const box = boxes[next];
        if (!box) continue;
        boxes[next] = undefined;
        whole = united(whole, box);
        open.push(next);
      }
    }
    found.push(whole);
  }
  return found;
}

function cellBoxes(
  mask: ChangeMask,
  cell: number,
  columns: number,
  rows: number,
): (ChangedRegion | undefined)[] {
  const boxes = new Array<ChangedRegion | undefined>(columns * rows);
  for (let at = mask.data.indexOf(1); at >= 0; at = mask.data.indexOf(1, at + 1)) {
    const y = Math.floor(at / mask.width);
    const x = at - y * mask.width;
    const index = Math.floor(y / cell) * columns + Math.floor(x / cell);
    const box = boxes[index];
    if (box) include(box, x, y);
    else boxes[index] = { x, y, width: 1, height: 1, changedPixels: 1 };
  }
  return boxes;
}

/** Pixels come row by row, so a box never grows upwards. */
function include(box: ChangedRegion, x: number, y: number): void {
  const right = Math.max(box.x + box.width, x + 1);
  box.x = Math.min(box.x, x);
  box.width = right - box.x;
  box.height = y + 1 - box.y;
  box.changedPixels++;
}

function* neighbours(at: number, columns: number, rows: number): Iterable<number> {
  const column = at % columns;
  const row = Math.floor(at / columns);
  for (let y = Math.max(0, row - 2); y <= Math.min(rows - 1, row + 2); y++) {
    for (let x = Math.max(0, column - 2); x <= Math.min(columns - 1, column + 2); x++) yield y * columns + x;
  }
}

/** Joins boxes until every two are more than `near` apart. */
function merged(boxes: readonly ChangedRegion[], near: number): ChangedRegion[] {
  const apart: ChangedRegion[] = [];
  for (const box of boxes) {
    let whole = box;
    for (let i = apart.findIndex((other) => isNear(whole, other, near)); i >= 0;) {
      whole = united(whole, apart[i]!);
      apart.splice(i, 1);
      i = apart.findIndex((other) => isNear(whole, other, near));
    }
    apart.push(whole);
  }
  return apart;
}

function isNear(a: Region, b: Region, near: number): boolean {
  const across = Math.max(a.x, b.x) - Math.min(a.x + a.width, b.x + b.width);
  const down = Math.max(a.y, b.y) - Math.min(a.y + a.height, b.y + b.height);
  return across <= near && down <= near;
}

function united(a: ChangedRegion, b: ChangedRegion): ChangedRegion {
  const x = Math.min(a.x, b.x);
  const y = Math.min(a.y, b.y);
  const right = Math.max(a.x + a.width, b.x + b.width);
  const bottom = Math.max(a.y + a.height, b.y + b.height);
  return { x, y, width: right - x, height: bottom - y, changedPixels: a.changedPixels + b.changedPixels };
}
