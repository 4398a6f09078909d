// Frames of a timeline: which frames of an animation are seen and when they are, what a moment is, and what is refused.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import sharp from 'sharp';
import { AfterimageError } from '../../src/errors.js';
import { momentsOf } from '../../src/image/frames.js';
import { createImageContext } from '../../src/image/load.js';
import { loadTimeline } from '../../src/image/timeline.js';
import { scratchFolder } from '../scratch-folder.js';

const folder = scratchFolder('timeline');
const context = () => createImageContext({ folders: [folder] });

const still = (grey: number, width = 20, height = 12) =>
  sharp({ create: { width, height, channels: 3, background: { r: grey, g: grey, b: grey } } })
    .png()
    .toBuffer();

async function animated(name: string, greys: number[], ms: number): Promise<string> {
  const delay = greys.map(() => ms);
  const frames = await Promise.all(greys.map((grey) => still(grey)));
  const joined = sharp(frames, { join: { animated: true } });
  const file = `${folder}/${name}`;
  const bytes = name.endsWith('.gif') ? joined.gif({ delay }) : joined.webp({ delay, lossless: true });
  writeFileSync(file, await bytes.toBuffer());
  return file;
}

async function frame(name: string, grey: number, width?: number): Promise<string> {
  writeFileSync(`${folder}/${name}`, await still(grey, width));
  return `${folder}/${name}`;
}

const coded = (code: string, says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof AfterimageError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, says);
  return true;
};

/** The greys of a moment's two frames. */
async function greys({ pixels }: { pixels(): Promise<{ data: Uint8Array }> }): Promise<number[]> {
  const { data } = await pixels();
  return [data[0]!, data.at(-1)!];
}

test('two frames are a moment, half way between them; the last of an odd number is seen twice', () => {
  const timeline = [0, 1, 2, 3, 4].map((i) => ({ frame: i, seconds: i / 2 }));
  assert.deepEqual(
    momentsOf(timeline, 2).map(({ frames, moment }) => [frames, moment.index, moment.seconds, moment.frames]),
    [
      [[0, 1], 0, 0.25, 5],
      [[2, 3], 1, 1.25, 5],
      [[4, 4], 2, 2, 5],
    ],
  );
});

for (const name of ['a.gif', 'a.webp']) {
  test(`${name}: evenly from the first frame to the last, at the times when they are shown`, async () => {
    const file = await animated(name, [0, 50, 100, 150, 200, 250, 30, 60, 90], 500);
    const moments = await loadTimeline([file], 1, context());
    assert.deepEqual(
      moments.map(({ moment }) => [moment.index, moment.frames, moment.seconds]),
      [
        [0, 4, 0.75],
        [1, 4, 3.25],
      ],
    );
    assert.deepEqual(await Promise.all(moments.map(greys)), [
      [0, 150],
      [250, 90],
    ]);
    assert.deepEqual([moments[0]!.width, moments[0]!.height], [20, 24]);
    assert.equal(moments[0]!.moment.rate, 4 / 4.5);
  });
}

test('a list is seen frame by frame; what was seen before has the same identity', async () => {
  const files = [await frame('1.png', 10), await frame('2.png', 20), await frame('3.png', 30)];
  const known = context();
  const moments = await loadTimeline(files, 2, known);
  assert.deepEqual(await Promise.all(moments.map(greys)), [
    [10, 20],
    [30, 30],
  ]);
  const longer = await loadTimeline([...files, await frame('4.png', 40)], 2, known);
  assert.equal(longer[0]!.pixelHash, moments[0]!.pixelHash);
  assert.notEqual(longer[1]!.pixelHash, moments[1]!.pixelHash);
});

test('what is no timeline is refused with the next step', async () => {
  const one = await frame('one.png', 10);
  const wide = await frame('wide.png', 10, 21);
  const long = await animated(
    'long.gif',
    Array.from({ length: 90 }, (_, i) => (i * 37) % 256),
    1000,
  );
  const video = `${folder}/clip.mp4`;
  writeFileSync(
    video,
    Buffer.concat([Buffer.from('\0\0\0\x18ftypmp42\0\0\0\0mp42isom', 'latin1'), Buffer.alloc(64)]),
  );
  const refusals: [string[], number, string, RegExp][] = [
    [[one], 2, 'INVALID_ARGUMENT', /a single picture .* at least two frames/],
    [[one, wide], 2, 'INVALID_ARGUMENT', /frame 2 is 21 × 12 and the first 20 × 12/],
    [Array.from({ length: 65 }, () => one), 2, 'TOO_MANY_IMAGES', /65 frames, and a timeline at most 64/],
    [[long], 1, 'TOO_MANY_IMAGES', /90 frames, .* lower fps, such as 0\.71/],
    [[one, one], 0, 'INVALID_ARGUMENT', /fps is frames a second/],
    [[video], 2, 'IMAGE_UNSUPPORTED', /a video/],
  ];
  for (const [files, rate, code, says] of refusals)
    await assert.rejects(loadTimeline(files, rate, context()), coded(code, says), files[0]);
});
