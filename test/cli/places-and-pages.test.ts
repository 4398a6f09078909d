// afterimage locate, and PDF files, with the reader and the classifier that come with the project.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { starterFolder } from '../../src/engine/model-folder.js';
import { pdfFile } from '../image/pdf-files.js';
import { scratchFolder } from '../scratch-folder.js';
import { afterimage } from './command.js';

const folder = scratchFolder('places-cli');
const example = (name: string) => join(starterFolder(), 'examples', `${name}.png`);
const FAST = ['--no-disk-cache', '--threads', '2'];

/** [text, element, source] of each row, and whether the point lies in the box. */
function rows(stdout: string): string[][] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [center, box, name, source] = line.split('\t');
      const [cx, cy] = center!.split(',').map(Number) as [number, number];
      const [x, y, width, height] = box!.split(/[, x]/).map(Number) as [number, number, number, number];
      assert.ok(cx >= x && cx < x + width && cy >= y && cy < y + height, line);
      const [, text, element = ''] = /^(.*?)(?: \(([^()]*)\))?$/.exec(name!)!;
      return [text!, element.split(',')[0]!, source!];
    });
}

test('locate finds what is described on the example pictures, and draws it', async () => {
  const drawn = `${folder}/drawn.png`;
  const cases: [picture: string, what: string, expected: string[]][] = [
    ['login', 'the "Stay signed in" checkbox', ['Stay signed in', 'checkbox', 'reader']],
    ['settings', 'the Apply button', ['Apply', 'button', 'reader']],
  ];
  for (const [picture, what, expected] of cases) {
    const { code, stdout, stderr } = await afterimage([
      'locate',
      example(picture),
      what,
      '--annotate',
      drawn,
      ...FAST,
    ]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(rows(stdout), [expected], what);
    const [before, after] = await Promise.all(
      [example(picture), drawn].map((file) => sharp(readFileSync(file)).metadata()),
    );
    assert.deepEqual([after!.width, after!.height], [before!.width, before!.height]);
  }
});

test('locate says that it finds nothing, and what is missing', async () => {
  const absent = await afterimage(['locate', example('login'), 'the red Delete button', ...FAST]);
  assert.equal(absent.code, 0, absent.stderr);
  assert.match(
    absent.stdout,
    /^"the red Delete button" was not found: no text in the image reads so, and this model cannot/,
  );
  const { code, stderr } = await afterimage(['locate', example('login')]);
  assert.equal(code, 2);
  assert.match(stderr, /afterimage locate FILE "WHAT"/);
});

test('a scanned page, a picture and nothing else, is read like the picture', async () => {
  const picture = readFileSync(example('login'));
  const { width, height } = await sharp(picture).metadata();
  const scan = await sharp(picture)
    .resize(width * 2)
    .jpeg({ quality: 92 })
    .toBuffer();
  const jpeg = { data: scan, width: width * 2, height: height * 2 };
  const page = {
    mediaBox: [0, 0, width, height] as [number, number, number, number],
    content: `q ${width} 0 0 ${height} 0 0 cm /Im Do Q`,
    jpeg,
  };
  const file = `${folder}/scan.pdf`;
  writeFileSync(file, pdfFile([{ content: '' }, page, { ...page, rotate: 180 }]));
  const both = await afterimage(['ocr', file, '--page', '1-2', '--json', ...FAST]);
  const { answer, images } = JSON.parse(both.stdout) as { answer: string; images: { page: number }[] };
  assert.match(answer, /^Member login\n/, 'the first page is empty');
  assert.match(answer, /Wrong email or password/);
  assert.deepEqual(
    images.map((image) => image.page),
    [1, 2],
  );
  const piped = await afterimage(['ocr', '-', '--page', '4', ...FAST], { input: readFileSync(file) });
  assert.equal(piped.code, 2);
  assert.match(piped.stderr, /has 3 pages, so there is no page 4.*\[PAGE_NOT_FOUND\]/);
});
