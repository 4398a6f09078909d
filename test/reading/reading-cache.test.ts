import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { keptReadings, labelsOf, ReadingCache } from '../../src/reading/reading-cache.js';
import type { ImageInput } from '../../src/image/rgb-image.js';
import type { Reading } from '../../src/reading/reading.js';
import { line } from '../mcp/scripted-reader.js';
import { scratchFolder } from '../scratch-folder.js';

const READING: Reading = { width: 80, height: 20, lines: [line('Hello', 1, 2, 50, 10)], rows: [[0]] };
const picture = (pixelHash: string): ImageInput => ({
  pixelHash,
  width: 80,
  height: 20,
  name: `/shots/${pixelHash}.png`,
  pixels: () => assert.fail('nobody needs them'),
});
const folder = () => join(scratchFolder('readings'), 'readings');

describe('kept readings', () => {
  test('another process finds them, another reader does not', async () => {
    const place = folder();
    await new ReadingCache('one', 'R', place).keepPicture(picture('p'), READING);
    assert.deepEqual(await new ReadingCache('one', 'R', place).picture('p'), READING);
    assert.equal(await new ReadingCache('two', 'R', place).picture('p'), undefined);
    assert.equal(await new ReadingCache('one', 'R', place).picture('q'), undefined);
    assert.equal(await new ReadingCache('one', 'R').picture('p'), undefined);
  });

  test('only their owner may read them', async () => {
    const place = folder();
    await new ReadingCache('one', 'R', place).keepPicture(picture('p'), READING);
    assert.equal(statSync(place).mode & 0o777, 0o700);
    const [file] = readdirSync(place);
    assert.equal(statSync(join(place, file!)).mode & 0o777, 0o600);
  });

  test('the last lines are those that were used last, and stay with whoever holds them', () => {
    const cache = new ReadingCache('one', 'R');
    for (const hash of ['a', 'b', 'c']) cache.keepLine(hash, []);
    cache.line('a');
    assert.deepEqual([...cache.lastLines(2).keys()], ['c', 'a']);
    assert.equal(cache.lastLines(9).size, 3);
    const held = cache.lastLines(1);
    cache.keepLine('d', []);
    assert.deepEqual([...held.keys()], ['a']);
  });

  test('a damaged file is a miss', async () => {
    const place = folder();
    await new ReadingCache('one', 'R', place).keepPicture(picture('p'), READING);
    const path = join(place, readdirSync(place)[0]!);
    const whole = readFileSync(path, 'utf8');
    for (const damaged of [whole.replace('Hello', 'Hullo'), whole.slice(0, -5), '', 'x']) {
      writeFileSync(path, damaged);
      assert.equal(await new ReadingCache('one', 'R', place).picture('p'), undefined);
    }
  });

  test('the least recently used leave when there are too many bytes', async () => {
    const place = folder();
    await new ReadingCache('one', 'R', place).keepPicture(picture('p'), READING);
    const [kept] = await keptReadings(place).list();
    // A new cache prunes with its first write.
    await new ReadingCache('one', 'R', place, 1.5 * kept!.bytes).keepPicture(picture('q'), READING);
    assert.equal((await keptReadings(place).list()).length, 1);
    assert.deepEqual(await new ReadingCache('one', 'R', place).picture('q'), READING);
  });

  test('files of older versions, which do not say what they are of, are listed and read', async () => {
    const place = folder();
    await new ReadingCache('one', 'R', place).keepPicture(picture('p'), READING);
    const path = join(place, readdirSync(place)[0]!);
    const text = readFileSync(path, 'utf8').split('\n')[1]!;
    writeFileSync(path, `${createHash('sha256').update(text).digest('hex')}\n${text}`);
    assert.deepEqual(await new ReadingCache('one', 'R', place).picture('p'), READING);
    const kept = await keptReadings(place).list();
    assert.ok(kept[0]!.bytes > 0);
    assert.deepEqual(await labelsOf(keptReadings(place), kept), [undefined]);
  });

  test('they can be listed and cleared', async () => {
    const place = folder();
    const readings = keptReadings(place);
    assert.deepEqual(await readings.list(), []);
    await new ReadingCache('one', 'R', place).keepPicture(picture('p'), READING);
    assert.deepEqual(await labelsOf(readings, await readings.list()), [
      { model: 'R', image_id: 'img_p', width: 80, height: 20, name: '/shots/p.png' },
    ]);
    assert.equal(await readings.clear(), 1);
    assert.deepEqual(readdirSync(place), []);
  });
});
