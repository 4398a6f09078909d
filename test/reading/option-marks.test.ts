// Marks before options are measured: box or ring, empty or not, swallowed by the line or not, on light and on dark.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RgbImage } from '../../src/image/rgb-image.js';
import { besideTexts } from '../../src/reading/option-marks.js';

type Inside = (x: number, y: number) => boolean;

class Canvas implements RgbImage {
  readonly width = 240;
  readonly height = 60;
  readonly data: Uint8Array;

  constructor(ground: number) {
    this.data = new Uint8Array(this.width * this.height * 3).fill(ground);
  }

  fill(inside: Inside, level: number): this {
    for (let y = 0; y < this.height; y++)
      for (let x = 0; x < this.width; x++)
        if (inside(x + 0.5, y + 0.5))
          this.data.fill(level, (y * this.width + x) * 3, (y * this.width + x) * 3 + 3);
    return this;
  }

  /** Letters: bars close to each other. */
  text(x: number, level: number): this {
    for (let i = 0; i < 8; i++) this.fill(rect(x + 7 * i, 23, 4, 13), level);
    return this;
  }
}

const rect = (left: number, top: number, width: number, height: number): Inside => {
  return (x, y) => x >= left && x < left + width && y >= top && y < top + height;
};
const disc = (cx: number, cy: number, radius: number): Inside => {
  return (x, y) => (x - cx) ** 2 + (y - cy) ** 2 <= radius ** 2;
};
/** A box with a border of a pixel and corners cut. */
const box = (left: number, side = 13): Inside => {
  const [outer, inner] = [rect(left, 23, side, side), rect(left + 1, 24, side - 2, side - 2)];
  const corner: Inside = (x, y) =>
    Math.abs(x - left - side / 2) > side / 2 - 1 && Math.abs(y - 23 - side / 2) > side / 2 - 1;
  return (x, y) => outer(x, y) && !inner(x, y) && !corner(x, y);
};
const ring =
  (cx: number): Inside =>
  (x, y) =>
    disc(cx, 30, 6.5)(x, y) && !disc(cx, 30, 5.5)(x, y);

const line = (x: number) => ({ x, y: 20, width: 70, height: 19 });
const seen = (picture: RgbImage, x = 40) => besideTexts({ picture, boxes: [line(x)] })[0];

test('a box and a ring, empty and with something in them, on light and on dark', () => {
  for (const [ground, ink] of [
    [255, 60],
    [25, 220],
  ] as const) {
    const paper = () => new Canvas(ground).text(40, ink);
    assert.deepEqual(seen(paper().fill(box(20), ink)), { round: false, filled: false });
    assert.deepEqual(
      seen(
        paper()
          .fill(box(20), ink)
          .fill(rect(24, 28, 5, 3), ink),
      ),
      { round: false, filled: true },
    );
    assert.deepEqual(seen(paper().fill(ring(26), ink)), { round: true, filled: false });
    assert.deepEqual(
      seen(
        paper()
          .fill(ring(26), ink)
          .fill(disc(26, 30, 3), ink),
      ),
      { round: true, filled: true },
    );
  }
});

test('a box of one colour is empty, one with a tick is not', () => {
  const full = () => new Canvas(25).text(40, 220).fill(rect(20, 23, 13, 13), 255);
  assert.deepEqual(seen(full()), { round: false, filled: false });
  assert.deepEqual(seen(full().fill(rect(23, 30, 7, 2), 90)), { round: false, filled: true });
});

test('within a ring of focus the mark itself is measured', () => {
  const around = (x: number, y: number) => rect(16, 19, 21, 21)(x, y) && !rect(18, 21, 17, 17)(x, y);
  assert.deepEqual(seen(new Canvas(255).text(41, 60).fill(around, 20).fill(ring(26.5), 60), 41), {
    round: true,
    filled: false,
  });
});

test('a mark that the line swallowed is measured, its first letter is not', () => {
  assert.deepEqual(seen(new Canvas(255).text(41, 60).fill(box(21), 60), 20), { round: false, filled: false });
  const round = new Canvas(255)
    .text(48, 60)
    .fill((x, y) => disc(41, 30, 6)(x, y) && !disc(41, 30, 4)(x, y), 60);
  assert.equal(seen(round, 35), 'nothing', 'an O right before the other letters');
});

test('beside a text alone in its row there is nothing; a switch, a word or a small dot is something', () => {
  const alone = () => new Canvas(255).text(40, 60);
  assert.equal(seen(alone()), 'nothing');
  assert.equal(seen(alone().fill(rect(190, 24, 30, 14), 60)), 'something', 'far to the right');
  assert.equal(seen(alone().fill(rect(6, 24, 26, 13), 60)), 'something', 'too wide');
  assert.equal(seen(alone().fill(disc(30, 30, 2), 60)), 'something', 'too small');
  assert.equal(seen(alone().fill(rect(20, 3, 13, 13), 60)), 'nothing', 'in the row above');
});

test('at the edge of the picture there may be no room for a mark', () => {
  assert.equal(
    besideTexts({ picture: new Canvas(255), boxes: [{ x: 0, y: 0, width: 1, height: 1 }] })[0],
    'something',
  );
});
