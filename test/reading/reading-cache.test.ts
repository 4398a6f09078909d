import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { keptReadings, ReadingCache } from '../../src/reading/reading-cache.js';
import type { Reading } from '../../src/reading/reading.js';
import { line } from '../mcp/scripted-reader.js';

const READING: Reading = { width: 80, height: 20, lines: [line('Hello', 1, 2, 50, 10)], rows: [[0]] };
const folder = () => join(mkdtempSync(join(tmpdir(), 'afterimage-readings-')), 'readings');

describe('kept readings', () => {
  test('another process finds them, another reader does not', async () => {
    const place = folder();
    await new ReadingCache('one', place).keepPicture('p', READING);
    assert.deepEqual(await new ReadingCache('one', place).picture('p'), READING);
    assert.equal(await new ReadingCache('two', place).picture('p'), undefined);
    assert.equal(await new ReadingCache('one', place).picture('q'), undefined);
    assert.equal(await new ReadingCache('one').picture('p'), undefined);
  });

  test('only their owner may read them', async () => {
    const place = folder();
    await new ReadingCache('one', place).keepPicture('p', READING);
    assert.equal(statSync(place).mode & 0o777, 0o700);
    const [file] = readdirSync(place);
    assert.equal(statSync(join(place, file!)).mode & 0o777, 0o600);
  });

  test('a damaged file is a miss', async () => {
    const place = folder();
    await new ReadingCache('one', place).keepPicture('p', READING);
    const path = join(place, readdirSync(place)[0]!);
    const whole = readFileSync(path, 'utf8');
    for (const damaged of [whole.replace('Hello', 'Hullo'), whole.slice(0, -5), '', 'x']) {
      writeFileSync(path, damaged);
      assert.equal(await new ReadingCache('one', place).picture('p'), undefined);
    }
  });

  test('the least recently used leave when there are too many bytes', async () => {
    const place = folder();
    await new ReadingCache('one', place).keepPicture('p', READING);
    const [kept] = await keptReadings(place).list();
    // A new cache prunes with its first write.
    await new ReadingCache('one', place, 1.5 * kept!.bytes).keepPicture('q', READING);
    assert.equal((await keptReadings(place).list()).length, 1);
    assert.deepEqual(await new ReadingCache('one', place).picture('q'), READING);
  });

  test('they can be listed and cleared', async () => {
    const place = folder();
    assert.deepEqual(await keptReadings(place).list(), []);
    await new ReadingCache('one', place).keepPicture('p', READING);
    assert.equal(await keptReadings(place).clear(), 1);
    assert.deepEqual(readdirSync(place), []);
  });
});
