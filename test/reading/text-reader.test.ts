// The whole way from pixels to kept lines, over networks that see black bars as lines and read how wide they are.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { cutLines } from '../../src/engine/text-lines.js';
import { pixelIdentity } from '../../src/image/key.js';
import { textOf } from '../../src/reading/reading.js';
import { quadOf } from '../../src/reading/quad.js';
import { TextReader } from '../../src/reading/text-reader.js';
import { BarNetworks, THREE, picture } from './bars.js';
import { scratchFolder } from '../scratch-folder.js';

const opened = (networks = new BarNetworks(), folder?: string) => ({
  networks,
  reader: new TextReader(async () => networks, folder),
});

describe('text reader', () => {
  test('lines with places in pixels of the picture, in order', async () => {
    const { reader } = opened();
    const reading = await reader.read(picture(320, 120, THREE));
    assert.match(textOf(reading), /^H+\nH+ H+$/);
    assert.deepEqual(
      reading.lines.map(({ box }) => [box.x, box.width]),
      [
        [20, 79],
        [20, 47],
        [200, 63],
      ],
    );
    assert.ok(reading.lines.every(({ box, confidence }) => box.y <= 60 && confidence === 0.95));
    await reader.close();
  });

  test('a second look costs nothing and says the same; so does another process', async () => {
    const folder = join(scratchFolder('reader'), 'readings');
    const { reader, networks } = opened(new BarNetworks(), folder);
    const first = await reader.read(picture(320, 120, THREE));
    assert.deepEqual(await reader.read(picture(320, 120, THREE)), first);
    assert.equal(networks.detected, 1);
    const other = opened(new BarNetworks(), folder);
    assert.deepEqual(await other.reader.read(picture(320, 120, THREE)), first);
    assert.equal(other.networks.detected, 0);
    await reader.close();
    await other.reader.close();
  });

  test('a picture that differs in one line costs that line, and reads as if it had been the first', async () => {
    const { reader, networks } = opened();
    await reader.read(picture(320, 120, THREE));
    const before = networks.recognised;
    const changed = [THREE[0]!, { ...THREE[1]!, width: 56 }, THREE[2]!];
    const warm = await reader.read(picture(320, 120, changed));
    assert.equal(networks.recognised, before + 1);
    const cold = await opened().reader.read(picture(320, 120, changed));
    assert.deepEqual(warm, cold);
    await reader.close();
  });

  test('a line whose text is known is cut, and not made ready to be read', async () => {
    const pixels = await picture(320, 120, THREE).pixels();
    const boxes = THREE.map(({ x, y, width }) => ({
      quad: quadOf({ left: x - 3, top: y - 3, right: x + width + 3, bottom: y + 15 }),
      level: true,
      score: 1,
    }));
    const cuts = (await cutLines(pixels, boxes)).flat();
    const { hash, placement } = cuts[1]!;
    const again = (await cutLines(pixels, boxes, [hash])).flat();
    assert.deepEqual(again, [cuts[0], { hash, placement }, cuts[2]]);
  });

  test('a tall picture is read whole, each line once', async () => {
    const bars = Array.from({ length: 120 }, (_, at) => ({ x: 20, y: 30 + at * 33, width: 40 }));
    const { reader, networks } = opened();
    const { lines } = await reader.read(picture(160, 4000, bars));
    assert.ok(networks.detected > 2);
    assert.equal(lines.length, bars.length);
    lines.forEach(({ box }, at) => assert.ok(Math.abs(box.y + box.height / 2 - bars[at]!.y - 6) < 4));
    await reader.close();
  });

  test('small type is looked for again at twice the size', async () => {
    const { reader, networks } = opened();
    const data = new Uint8Array(100 * 40 * 3).fill(255);
    for (let y = 20; y < 24; y++) data.fill(0, (y * 100 + 20) * 3, (y * 100 + 60) * 3);
    const image = { width: 100, height: 40, data };
    await reader.read({ ...pixelIdentity(image), pixels: async () => image });
    assert.equal(networks.detected, 2);
    await reader.close();
  });

  test('a cancelled picture leaves the reader as it was', async () => {
    const { reader } = opened();
    const stop = new AbortController();
    stop.abort();
    await assert.rejects(reader.read(picture(320, 120, THREE), { signal: stop.signal }), {
      code: 'CANCELLED',
    });
    assert.equal((await reader.read(picture(320, 120, THREE))).lines.length, 3);
    await reader.close();
  });

  test('progress goes from nothing to all lines', async () => {
    const { reader } = opened();
    const steps: (number | undefined)[][] = [];
    await reader.read(picture(320, 120, THREE), { onProgress: (done, total) => steps.push([done, total]) });
    assert.deepEqual(steps[0], [0, undefined]);
    assert.deepEqual(steps.at(-1), [3, 3]);
    await reader.close();
  });

  test('networks that cannot be opened are tried again, and a closed reader says so', async () => {
    let tries = 0;
    const networks = new BarNetworks();
    const reader = new TextReader(async () => {
      if (tries++ === 0) throw new Error('not yet');
      return networks;
    });
    await assert.rejects(reader.read(picture(320, 120, THREE)), /not yet/);
    assert.equal((await reader.read(picture(320, 120, THREE))).lines.length, 3);
    await reader.close();
    assert.ok(networks.closed);
    await assert.rejects(reader.read(picture(320, 120, THREE)), { code: 'CLOSED' });
  });

  test('an empty picture has no text', async () => {
    const { reader } = opened();
    const { lines, rows } = await reader.read(picture(64, 64, []));
    assert.deepEqual([lines, rows], [[], []]);
    await reader.close();
  });
});
