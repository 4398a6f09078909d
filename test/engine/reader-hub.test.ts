// Text networks as the hub has them: tiny random checkpoints of transformers' own classes and what those classes gave
// (test/goldens/text_networks_hub.py).
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openReader } from '../../src/engine/reader-engine.js';
import type { RgbImage } from '../../src/image/rgb-image.js';

const FOLDER = fileURLToPath(new URL('fixtures/reader-hub/', import.meta.url));

interface Entry {
  shape: number[];
  data_offsets: [number, number];
}

function recorded(name: string): { picture: RgbImage; output: Float32Array; classes: number } {
  const bytes = readFileSync(`${FOLDER}${name}.safetensors`);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<string, Entry>;
  const part = (key: string): Uint8Array => {
    const [begin, end] = header[key]!.data_offsets;
    return new Uint8Array(bytes.subarray(start + begin, start + end));
  };
  const [height, width] = header['pixels']!.shape as [number, number];
  return {
    picture: { width, height, data: part('pixels') },
    output: new Float32Array(part('output').buffer as ArrayBuffer),
    classes: header['output']!.shape.at(-1)!,
  };
}

it('loads PP-OCRv5 mobile from a folder and gives what transformers gives', async () => {
  const reader = await openReader({ folder: FOLDER, precision: 'exact' });
  const detector = recorded('detector');
  const map = await reader.detect(detector.picture);
  const farthest = map.reduce((most, value, i) => Math.max(most, Math.abs(value - detector.output[i]!)), 0);
  assert.ok(farthest < 1e-3, `the map differs by ${farthest}`);
  const { picture, output, classes } = recorded('recogniser');
  const [steps] = await reader.recognise([picture]);
  assert.equal(steps!.classes.length, output.length / classes);
  for (const [s, best] of steps!.classes.entries()) {
    const row = output.subarray(s * classes, (s + 1) * classes);
    assert.equal(best, row.indexOf(Math.max(...row)));
    assert.ok(Math.abs(steps!.probabilities[s]! - row[best]!) < 1e-3);
  }
  assert.deepEqual(reader.characters.slice(0, 3), ['', 'a', 'b']);
  await reader.close();
});

it('refuses other networks of the family by name', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'afterimage-reader-hub-'));
  for (const type of ['pp_ocrv5_server_det', 'pp_ocrv6_tiny_rec']) {
    mkdirSync(join(folder, 'other'), { recursive: true });
    writeFileSync(join(folder, 'other', 'config.json'), JSON.stringify({ model_type: type }));
    await assert.rejects(openReader({ folder }), { code: 'MODEL_UNSUPPORTED', message: new RegExp(type) });
  }
  rmSync(folder, { recursive: true });
});

it('says what a folder lacks', async () => {
  await assert.rejects(openReader({ folder: `${FOLDER}detector` }), { code: 'MODEL_NOT_FOUND' });
  await assert.rejects(openReader({ folder: `${FOLDER}nowhere` }), { code: 'MODEL_NOT_FOUND' });
});
