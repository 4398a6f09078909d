// What lines are: the views and numbers are those of training/elements, a line's answer is its own, and a prompt says it.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { Classified, ElementNetwork } from '../../src/engine/text-networks.js';
import type { RgbImage } from '../../src/image/rgb-image.js';
import { elementsText } from '../../src/prompt/layout.js';
import { elementViews } from '../../src/reading/element-views.js';
import { ElementReader, wordsOf } from '../../src/reading/elements.js';
import type { ReadLine } from '../../src/reading/reading.js';

/** The same as in training/tests/test_elements.py, which expects the same digest and the same numbers. */
const BOX = { x: 30, y: 40, width: 80, height: 17 };
const VIEWS_DIGEST = 'ab20be290516f00bf9271ed63b6ca289a404c999faa2b527599a6941cec4070c';
const NUMBERS = [
  0.15, 0.404167, 0.55, 0.235294, 0, 0.235294, 0.153846, 0.153846, 0.153846, 0.2, 0, 1, 1, 0.433333, 0,
];

function picture(width = 200, height = 120): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++) data[(y * width + x) * 3 + c] = (x * 7 + y * 13 + c * 50) % 256;
  return { width, height, data };
}

const line = (text: string, box = BOX): ReadLine => ({ text, box, confidence: 1, characters: [] });

const input = (image: RgbImage) => ({
  ...image,
  pixelHash: createHash('sha256').update(image.data).digest('hex'),
  pixels: async () => image,
});

/** Says of every line what `say` makes of its number, and counts its runs. */
class Scripted implements ElementNetwork {
  roles = ['plain', 'button', 'checkbox'];
  states = ['checked', 'not checked', 'disabled'];
  colours = ['none', 'blue'];
  kinds = ['form', 'list'];
  runs = 0;
  closed = 0;
  readonly #say: number[][];

  constructor(...say: number[][]) {
    this.#say = say;
  }

  async classify(): Promise<Classified> {
    this.runs++;
    return { lines: this.#say.map((logits) => Float32Array.from(logits)), kinds: Float32Array.from([1, 2]) };
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

const reading = (lines: ReadLine[]) => ({ width: 200, height: 120, lines, rows: lines.map((_, i) => [i]) });

test('views and numbers are those that the classifier was trained on', () => {
  const { views, features } = elementViews({ picture: picture(), lines: [line('Total: 12 •A.')] });
  assert.equal(createHash('sha256').update(views).digest('hex'), VIEWS_DIGEST);
  for (const [i, number] of NUMBERS.entries())
    assert.ok(Math.abs(features[i]! - number) < 1e-6, `number ${i}: ${features[i]} is not ${number}`);
});

test('the height of the other lines is one of the numbers', () => {
  const higher = { ...BOX, height: 34 };
  const { features } = elementViews({ picture: picture(), lines: [line('a'), line('b', higher)] });
  assert.deepEqual(
    [features[4], features[15 + 4]].map((share) => Math.round(share! * 1000)),
    [-333, 333],
  );
});

test('a picture is dark when most of it is', () => {
  const grey = (level: number) => ({ width: 10, height: 10, data: new Uint8Array(300).fill(level) });
  assert.equal(elementViews({ picture: grey(30), lines: [] }).dark, true);
  assert.equal(elementViews({ picture: grey(200), lines: [] }).dark, false);
});

test('the likeliest role is said, with states that it can have, and the colour of a button', async () => {
  const network = new Scripted(
    [0, 5, 1, -1, 3, 2, 0, 4], // a button: "not checked" is no state of it
    [0, 1, 5, -3, -2, -1, 0, 4], // both unlikely, so the likelier; no colour
    [5, 0, 0, 2, 2, -1, 4, 0],
  );
  const elements = new ElementReader(async () => network);
  const said = await elements.of(input(picture()), reading([line('a'), line('b'), line('c')]));
  assert.deepEqual(said.marks.map(wordsOf), ['button, disabled, blue', 'checkbox, not checked', 'plain']);
  assert.equal(said.kind, 'list');
  assert.deepEqual(
    said.marks.map(({ lead }) => lead),
    [4, 4, 5],
  );
  assert.deepEqual(said.marks[1]!.margins, { checked: -1, 'not checked': 1, disabled: -1 });
});

/** A white picture with a text's letters from `left` on and, where one is given, a mark of that shape before it. */
function option(shape: 'box' | 'ring' | 'none', left = 30): RgbImage {
  const data = new Uint8Array(200 * 120 * 3).fill(255);
  const paint = (x: number, y: number): void => void data.fill(40, (y * 200 + x) * 3, (y * 200 + x) * 3 + 3);
  for (let y = 42; y < 55; y++)
    for (let x = 0; x < 60; x++) {
      if (x % 8 < 4) paint(left + x, y);
      const away = Math.hypot(x - 6, y - 48);
      const edge =
        shape === 'box' ? x < 13 && (x % 12 === 0 || y === 42 || y === 54) : away <= 6.6 && away > 5.4;
      if (shape !== 'none' && edge) paint(left - 20 + x, y);
    }
  return { width: 200, height: 120, data };
}

test('a mark that can be measured outweighs what the classifier thinks of it', async () => {
  const roles = ['plain', 'checkbox', 'radio', 'switch'];
  const said = async (picture: RgbImage, logits: number[]) => {
    const network = new Scripted([...logits, 1, -1, 0, 0, 0]);
    network.roles = roles;
    const { marks } = await new ElementReader(async () => network).of(
      input(picture),
      reading([line('Keep', BOX)]),
    );
    return wordsOf(marks[0]!);
  };
  assert.equal(await said(option('box'), [0, 1, 5, 3]), 'checkbox, not checked');
  assert.equal(await said(option('ring'), [0, 5, 1, 3]), 'radio, not checked');
  assert.equal(await said(option('none'), [0, 1, 2, 5]), 'plain', 'no mark, no option');
  assert.equal(await said(option('box'), [5, 4, 1, 1]), 'checkbox, not checked', 'nearly one');
  assert.equal(await said(option('box'), [9, 4, 1, 1]), 'plain', 'surely none');
});

test('a line that names a failure in so many words is an error', async () => {
  const roles = ['plain', 'line', 'error'];
  const said = async (text: string, logits: number[]) => {
    const network = new Scripted([...logits, 0, 0, 0, 0, 0]);
    network.roles = roles;
    const { marks } = await new ElementReader(async () => network).of(
      input(picture()),
      reading([line(text)]),
    );
    return marks[0]!.role;
  };
  assert.equal(await said('08:46:39 ERROR lost database', [0, 9, 1]), 'error');
  assert.equal(await said('main.c:12: error: expected a bracket', [0, 9, 1]), 'error');
  assert.equal(await said('INFO 3 errors found in ERRORS.md', [0, 9, 1]), 'line', 'other words');
  assert.equal(await said('ERROR pages', [9, 1, 1]), 'plain', 'only of lines');
});

test('the head of a table stands over rows', async () => {
  const said = async (...rows: number[][]) => {
    const network = new Scripted(...rows.map((logits) => [...logits, 0, 0, 0, 0, 0]));
    network.roles = ['heading', 'header', 'row'];
    const lines = rows.map((_, i) => line(`a${i}`));
    const { marks } = await new ElementReader(async () => network).of(input(picture()), reading(lines));
    return marks.map(({ role }) => role);
  };
  assert.deepEqual(await said([2, 5, 0], [0, 1, 5]), ['heading', 'row']);
  assert.deepEqual(await said([2, 5, 0], [0, 1, 5], [0, 1, 5]), ['header', 'row', 'row']);
});

test('what was said of a picture is known; a failed opening is tried again; closing closes the network', async () => {
  const network = new Scripted([5, 0, 0, 0, 0, -1, 0, 0]);
  let tries = 0;
  const elements = new ElementReader(async () => {
    if (tries++ === 0) throw new Error('not yet');
    return network;
  });
  await assert.rejects(elements.of(input(picture()), reading([line('a')])), /not yet/);
  await elements.of(input(picture()), reading([line('a')]));
  await elements.of(input(picture()), reading([line('a')]));
  assert.equal(network.runs, 1);
  await elements.close();
  assert.equal(network.closed, 1);
  await assert.rejects(elements.of(input(picture(90)), reading([line('a')])), { code: 'CLOSED' });
});

const at = (text: string, mark: string, x: number, y: number) => ({
  text,
  mark,
  box: { x, y, width: 20, height: 12 },
});

test('a prompt counts the elements and says of each line where its middle is, what it is, and then its text', () => {
  const size = { width: 200, height: 120 };
  assert.equal(
    elementsText([at('Sign in', 'heading', 20, 12), at('Save', 'button, blue', 100, 60)], size, true),
    'Elements, dark: 1 button\n15 15 heading: Sign in\n55 55 button, blue: Save\n',
  );
  assert.equal(elementsText([], size, false), 'Elements, light:\n');
});

test('the cells of a row count once, roles stand by how often there is one, and what is no element is not counted', () => {
  const lines = [
    at('Name', 'header', 0, 0),
    at('Ada', 'row', 0, 20),
    at('36', 'row', 60, 23),
    at('Bo', 'row, selected', 0, 40),
    at('Keep me', 'checkbox, checked', 0, 60),
    at('Apply', 'button', 0, 80),
    at('Close', 'button', 40, 80),
    at('x', 'plain', 0, 100),
  ];
  assert.match(
    elementsText(lines, { width: 200, height: 120 }, true),
    /^Elements, dark: 2 buttons, 2 rows, 1 checkbox\n/,
  );
});
