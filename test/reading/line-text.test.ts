// Lines drawn as plain bars: what matters is where ink is, not what it looks like.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeSteps } from '../../src/reading/characters.js';
import { cutLines, type CutLine, type Ink } from '../../src/engine/text-lines.js';
import { readLineText } from '../../src/reading/line-text.js';
import { quadOf } from '../../src/reading/quad.js';

const HEIGHT = 24;
/** Rows of the type: font size 16, so capitals 11.5, x 8.5. */
const [CAPITAL, LOW, BASE, DEEP] = [6, 9, 17, 21];

interface Bar {
  text: string;
  left: number;
  right: number;
  top?: number;
  bottom?: number;
}

const CHARACTERS = ['', ...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789()_.,-•□', ' '];

/** Letters of one width and gap from `left` on; spaces are gaps of that many pixels. */
function word(text: string, left: number, wide = 7, gap = 2): Bar[] {
  return [...text].map((one, at) => ({
    text: one,
    left: left + at * (wide + gap),
    right: left + at * (wide + gap) + wide,
  }));
}

function rowsOf({ text, top, bottom }: Bar): [number, number] {
  const high = /[A-Z0-9bdfhkl]/.test(text);
  return [top ?? (high ? CAPITAL : LOW), bottom ?? (/[gpqy]/.test(text) ? DEEP : BASE)];
}

function drawn(bars: readonly Bar[], width: number): Ink {
  const contrast = new Uint8Array(width * HEIGHT);
  for (const bar of bars) {
    const [top, bottom] = rowsOf(bar);
    for (let y = top; y < bottom; y++) contrast.fill(255, y * width + bar.left, y * width + bar.right);
  }
  return { width, height: HEIGHT, contrast };
}

/** The recogniser's steps of the bars that have a text; one where each bar's middle is. */
function steps(bars: readonly Bar[], width: number, written: readonly number[] = []) {
  const count = Math.ceil((width * 2) / 8);
  const classes = new Int32Array(count);
  const probabilities = new Float32Array(count).fill(1);
  for (const { text, left, right } of bars)
    classes[Math.floor((left + right) / 8)] = CHARACTERS.indexOf(text);
  for (const x of written) classes[Math.floor(x / 4)] = CHARACTERS.indexOf(' ');
  return { classes, probabilities };
}

function read(
  bars: readonly Bar[],
  width: number,
  written: readonly number[] = [],
  ink = drawn(bars, width),
) {
  const { classes, probabilities } = steps(bars, width, written);
  return readLineText(ink, { classes, probabilities }, CHARACTERS);
}

const texts = (pieces: ReturnType<typeof read>) => pieces.map(({ text }) => text);

describe('characters', () => {
  test('equal neighbours are one, a blank parts them', () => {
    const read = decodeSteps(
      { classes: Int32Array.of(0, 1, 1, 0, 1, 2), probabilities: new Float32Array(6).fill(0.5) },
      CHARACTERS,
    );
    assert.deepEqual(
      read.map(({ text, start, end }) => [text, start, end]),
      [
        ['a', 1, 3],
        ['a', 4, 5],
        ['b', 5, 6],
      ],
    );
  });
});

describe('lines', () => {
  test('a space that the recogniser lost is found in the gap', () => {
    const bars = [...word('Read', 4), ...word('more', 46)];
    const [piece] = read(bars, 90);
    assert.equal(piece!.text, 'Read more');
    assert.deepEqual(
      piece!.characters.map(({ left, right }) => [left, right]),
      bars.map(({ left, right }) => [left, right]),
    );
  });

  test('a space that the recogniser wrote where no gap is goes', () => {
    assert.deepEqual(texts(read(word('Readmore', 4), 90, [39])), ['Readmore']);
  });

  test('what stands further apart than a space is a line of its own', () => {
    assert.deepEqual(texts(read([...word('Home', 4), ...word('News', 60)], 110, [50])), ['Home', 'News']);
  });

  test('wide spaces of a spread line of text part nothing, those of a navigation bar do', () => {
    const spread = (words: string[]) => {
      let left = 4;
      const bars = words.flatMap((one) => {
        const placed = [...one].map((text, at) => {
          const bar = { text, left, right: left + (at % 3 ? 4 : 12) };
          left = bar.right + 2;
          return bar;
        });
        left += 12;
        return placed;
      });
      return texts(read(bars, left));
    };
    assert.deepEqual(spread(['You', 'can', 'read', 'this']), ['You can read this']);
    assert.deepEqual(spread(['Home', 'News', 'Help', 'Login']), ['Home', 'News', 'Help', 'Login']);
  });

  test('the box is that of the type, whatever letters the line has', () => {
    const boxes = [word('none', 4), word('Bold', 4), word('grey', 4)].map(
      (bars) => read(bars, 50)[0]!.bounds,
    );
    for (const { top, bottom } of boxes) {
      assert.ok(Math.abs(top - boxes[1]!.top) < 1.5, JSON.stringify(boxes));
      assert.ok(Math.abs(bottom - boxes[1]!.bottom) < 1.5, JSON.stringify(boxes));
    }
  });

  test('an underline is no ink', async () => {
    const bars = [...word('Read', 4), ...word('more', 46)];
    const ink = drawn([...bars, { text: '', left: 4, right: 84, top: 19, bottom: 20 }], 90);
    const line = {
      width: 90,
      height: HEIGHT,
      data: Uint8Array.from({ length: 90 * HEIGHT * 3 }, (_, at) => 255 - ink.contrast[Math.floor(at / 3)]!),
    };
    // A box that need not be level is taken as it is.
    const whole = { quad: quadOf({ left: 0, top: 0, right: 90, bottom: HEIGHT }), level: false };
    const [[cut]] = (await cutLines(line, [whole])) as [[CutLine]];
    assert.deepEqual(texts(read(bars, 90, [], cut.view!.ink)), ['Read more']);
  });
});

describe('marks', () => {
  for (const as of ['I', 'O', '□'])
    test(`a box before a label, read as ${as}, is no text`, () => {
      const box = { text: as, left: 3, right: 16, top: 5, bottom: 18 };
      assert.deepEqual(texts(read([box, ...word('Allow', 24)], 80)), ['Allow']);
    });

  test('a box that was not read does not take the first letter with it', () => {
    const bars = word('Stay', 24);
    const ink = drawn([{ text: '', left: 3, right: 16, top: 5, bottom: 18 }, ...bars], 70);
    assert.deepEqual(texts(read(bars, 70, [], ink)), ['Stay']);
  });

  test('a capital at the beginning stays', () => {
    const a = { text: 'A', left: 4, right: 16 };
    assert.deepEqual(texts(read([a, ...word('small', 22)], 80)), ['A small']);
  });

  test('equal round dots are counted, whatever was read', () => {
    const dots = Array.from({ length: 7 }, (_, at) => ({
      text: 'a',
      left: 4 + at * 8,
      right: 9 + at * 8,
      top: 9,
      bottom: 14,
    }));
    const [piece] = read(dots, 66);
    assert.equal(piece!.text, '•'.repeat(7));
    assert.equal(piece!.characters.length, 7);
  });
});

describe('lookalikes', () => {
  test('a zero among capitals is an O, one among digits stays', () => {
    assert.deepEqual(texts(read([...word('INF0', 4), ...word('200', 46)], 80)), ['INFO 200']);
  });

  test('capital or small by height, where the recogniser is not sure', () => {
    const doubtful = (bars: readonly Bar[], probability: number) => {
      const { classes, probabilities } = steps(bars, 80);
      const first = classes.findIndex((kind) => kind > 0);
      probabilities[first] = probability;
      return texts(readLineText(drawn(bars, 80), { classes, probabilities }, CHARACTERS));
    };
    const small = [...word('wiki', 4), ...word('and', 46)];
    const capital = small.map((bar, at) => (at === 0 ? { ...bar, top: CAPITAL } : bar));
    assert.deepEqual(doubtful(capital, 0.6), ['Wiki and']);
    assert.deepEqual(doubtful(small, 0.6), ['wiki and']);
    assert.deepEqual(doubtful(capital, 1), ['wiki and']);
  });

  test('dots are as many as their ink shows', () => {
    const dots = [0, 1, 2].map((at) => ({
      text: at === 1 ? '' : '.',
      left: 42 + at * 5,
      right: 44 + at * 5,
      top: 15,
      bottom: 17,
    }));
    const bars = word('more', 4);
    const read = dots.filter(({ text }) => text !== '');
    const { classes, probabilities } = steps([...bars, ...read], 70);
    assert.deepEqual(
      texts(readLineText(drawn([...bars, ...dots], 70), { classes, probabilities }, CHARACTERS)),
      ['more...'],
    );
  });

  test('an underscore that was not read is seen below the line', () => {
    const bars = [...word('pg', 4), ...word('hba', 31)];
    const ink = drawn([...bars, { text: '', left: 21, right: 30, top: 19, bottom: 20 }], 70);
    assert.deepEqual(texts(read(bars, 70, [], ink)), ['pg_hba']);
  });

  test('an underscore that was read stands on its ink below the line', () => {
    const sign = { text: '_', left: 21, right: 30, top: 19, bottom: 20 };
    const [piece] = read([...word('en', 4), sign, ...word('US', 31)], 70);
    assert.equal(piece!.text, 'en_US');
    const { left, right } = piece!.characters[2]!;
    assert.deepEqual([left, right], [21, 30]);
  });

  test('capital or small by the letters of its word, where the line has larger type', () => {
    const code = word('EcHO', 58).map((bar) => ({ ...bar, top: LOW }));
    assert.deepEqual(texts(read([...word('Blade', 4), ...code], 100)), ['Blade ECHO']);
  });

  test('a small l among capitals is an I, an O behind digits a zero', () => {
    assert.deepEqual(texts(read([...word('SPl', 4), ...word('1OM', 40), ...word('all', 76)], 110)), [
      'SPI 10M all',
    ]);
  });

  test('brackets read as O are brackets', () => {
    const round = { text: 'O', left: 40, right: 44, top: 5, bottom: 21 };
    const close = { text: ')', left: 47, right: 51, top: 5, bottom: 21 };
    assert.deepEqual(texts(read([...word('call', 4), round, close], 60)), ['call()']);
  });
});

test('what is hardly read is marked, and what is not read at all is no line', () => {
  const bars = word('Read', 4);
  const { classes, probabilities } = steps(bars, 50);
  const at = classes.indexOf(CHARACTERS.indexOf('e'));
  probabilities[at] = 0.2;
  assert.deepEqual(texts(readLineText(drawn(bars, 50), { classes, probabilities }, CHARACTERS)), ['R[?]ad']);
  assert.deepEqual(
    readLineText(drawn(bars, 50), { classes, probabilities: probabilities.map(() => 0.2) }, CHARACTERS),
    [],
  );
});
