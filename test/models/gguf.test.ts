// Pairs of GGUF files, written from the committed checkpoints by the rules of llama.cpp's converter: the same goldens,
// and where blocks round, what the rounded floats give.
import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createRunner, type Runner } from '../../src/engine/native.js';
import { GgufFile } from '../../src/models/gguf/gguf-file.js';
import { openModel } from '../../src/models/registry.js';
import { checkCheckpoint } from '../goldens/check-checkpoint.js';
import { CHECKPOINTS } from '../goldens/checkpoints.js';
import { prefill, type Prompt } from '../goldens/timeline.js';
import { scratchFolder } from '../scratch-folder.js';
import { rounded, writePair, type GgufType } from './gguf-writer.js';
import { withoutCore } from './read-back.js';
import { safetensors } from './tiny-checkpoint.js';

const skip = withoutCore();
const source = (family: string): string => join(CHECKPOINTS, family);

/** A folder with the pair and what the checkpoint's goldens are. */
function pairOf(family: string, type: GgufType): string {
  const folder = scratchFolder('gguf');
  writePair(source(family), folder, type);
  cpSync(join(source(family), 'cases'), join(folder, 'cases'), { recursive: true });
  cpSync(join(source(family), 'sizes.json'), join(folder, 'sizes.json'));
  // Tilings, budgets and sizes of frames that no GGUF states; makers' settings beside the files count.
  const own = { gemma3: 'preprocessor_config.json', gemma4: 'processor_config.json' }[family];
  if (own) cpSync(join(source(family), own), join(folder, own));
  const frames = 'video_preprocessor_config.json';
  if (['qwen3_vl', 'qwen3_5'].includes(family)) cpSync(join(source(family), frames), join(folder, frames));
  return folder;
}

for (const [family, type] of [
  ['qwen2_vl', 'BF16'],
  ['qwen2_5_vl', 'F16'],
  ['qwen3_vl', 'BF16'],
  ['qwen3_vl_moe', 'BF16'],
  ['qwen3_5', 'BF16'],
  ['qwen3_5_moe', 'BF16'],
  ['gemma3', 'F32'],
  ['gemma4', 'BF16'],
  ['smolvlm', 'BF16'],
] as const) {
  test(`${family} in ${type} gives the goldens`, { skip }, async (t) => {
    const { passed, failures } = await checkCheckpoint(pairOf(family, type));
    t.diagnostic(`${passed} comparisons`);
    assert.deepEqual(failures, []);
    assert.ok(passed > 100);
  });
}

const IDS = [1, 5, 9, 2, 30, 77, 101];
const PROMPT: Prompt = {
  ids: IDS,
  positions: { data: new Int32Array(0), axes: 1, ropeDelta: 0 },
  featureIndex: new Int32Array(IDS.length).fill(-1),
  visibleEnd: Int32Array.from(IDS, (_, i) => i + 1),
  features: { features: new Float32Array(0) },
};

async function logits(folder: string): Promise<Float32Array> {
  const { checkpoint, model } = openModel(folder);
  const { files, headers } = checkpoint;
  const runner: Runner = await createRunner({
    ...{ files, headers, program: JSON.stringify(model.decoder) },
    ...{ precision: 'exact', kvType: 'f32', threads: 1 },
  });
  const axes = model.positionAxes;
  const data = Int32Array.from({ length: IDS.length * axes }, (_, i) => Math.floor(i / axes));
  const features = Object.fromEntries(
    model.decoder.inputs
      .map((i) => model.decoder.values[i]!.name)
      .filter((name) => name.startsWith('features'))
      .map((name) => [name, new Float32Array(0)]),
  );
  try {
    const prompt = { ...PROMPT, positions: { data, axes, ropeDelta: 0 }, features };
    return (await prefill(runner, model, prompt, 0, 0, IDS.length, IDS.length))['logits']!.data;
  } finally {
    await runner.close();
  }
}

function roundedFolder(family: string, type: GgufType): string {
  const folder = scratchFolder('rounded');
  cpSync(source(family), folder, { recursive: true });
  for (const name of ['model.safetensors.index.json']) rmSync(join(folder, name), { force: true });
  for (let i = 1; i < 4; i++) rmSync(join(folder, `model-0000${i}-of-00002.safetensors`), { force: true });
  const tensors = [...rounded(source(family), type)].map(([name, { shape, data }]) => [
    name,
    { dtype: 'F32', shape, bytes: new Uint8Array(Float32Array.from(data).buffer) },
  ]);
  writeFileSync(join(folder, 'model.safetensors'), safetensors(Object.fromEntries(tensors)));
  return folder;
}

for (const [family, type] of [
  ['qwen2_vl', 'Q4_0'],
  ['qwen3_vl', 'Q8_0'],
  ['qwen3_vl_moe', 'Q4_0'],
  ['smolvlm', 'Q8_0'],
] as const) {
  test(`${family} in ${type} is the rounded checkpoint`, { skip }, async () => {
    const [actual, expected, original] = [
      await logits(pairOf(family, type)),
      await logits(roundedFolder(family, type)),
      await logits(source(family)),
    ];
    assert.deepEqual(actual, expected);
    assert.notDeepEqual(actual, original);
  });
}

test('frames are seen as their makers set it, where no file says how', () => {
  const size = (folder: string, frames: number): number[] => {
    const moment = { index: 0, seconds: 0, frames, rate: 2 };
    const { viewedWidth, viewedHeight } = openModel(folder).model.processor.planMoment!(4000, 2000, moment);
    return [viewedWidth, viewedHeight];
  };
  const folder = pairOf('qwen3_vl', 'F16');
  rmSync(join(folder, 'video_preprocessor_config.json'));
  // Of all frames together at most 24,576 squares of 32 × 32.
  assert.deepEqual(size(folder, 2), [4000, 2000]);
  const [width, height] = size(folder, 8) as [number, number];
  assert.ok(8 * width * height <= 25_165_824 && 8.2 * width * height > 25_165_824, `${width} × ${height}`);
  // Qwen2-VL's are those of images.
  const [own, others] = [pairOf('qwen2_vl', 'F16'), source('qwen2_vl')];
  assert.deepEqual(size(own, 2), size(others, 2));
});

test('what is missing or not read is said', () => {
  const refused = (change: (folder: string) => void, code: string, ...words: RegExp[]): void =>
    refusedPair('qwen2_vl', change, code, ...words);
  const refusedPair = (
    family: string,
    change: (folder: string) => void,
    code: string,
    ...words: RegExp[]
  ): void => {
    const folder = pairOf(family, 'F16');
    change(folder);
    assert.throws(
      () => openModel(folder),
      (error: Error & { code: string }) => {
        assert.equal(error.code, code);
        for (const word of words) assert.match(error.message, word);
        return true;
      },
    );
  };
  const file = (folder: string): string => join(folder, 'model.gguf');
  const edited = (folder: string, from: string, to: string): void => {
    const bytes = readFileSync(file(folder));
    const at = bytes.indexOf(from);
    assert.ok(at >= 0 && from.length === to.length);
    bytes.write(to, at);
    writeFileSync(file(folder), bytes);
  };
  refused((folder) => rmSync(join(folder, 'mmproj-model.gguf')), 'MODEL_NOT_FOUND', /mmproj/, /--vision/);
  refused(
    (folder) => cpSync(file(folder), join(folder, 'other.gguf')),
    'MODEL_NOT_FOUND',
    /several/,
    /--model/,
  );
  refused((folder) => truncateSync(file(folder), 5000), 'INVALID_CHECKPOINT', /ends inside its header/);
  refused((folder) => truncateSync(file(folder), 60_000), 'INVALID_CHECKPOINT', /outside/);
  refused((folder) => edited(folder, 'GGUF', 'GGUG'), 'INVALID_CHECKPOINT', /GGUF/);
  refused((folder) => edited(folder, 'qwen2vl', 'qwen9vl'), 'MODEL_UNSUPPORTED', /qwen9vl/, /qwen3vl/);
  const decay = (folder: string): void => {
    const { tensors, start } = new GgufFile(file(folder));
    const [, { offset }] = [...tensors].find(([name]) => name.endsWith('.ssm_a'))!;
    const bytes = readFileSync(file(folder));
    bytes.writeFloatLE(0.5, start + offset);
    writeFileSync(file(folder), bytes);
  };
  refusedPair(
    'gemma4_moe',
    () => {},
    'MODEL_UNSUPPORTED',
    /experts/,
    /mlx-community\/gemma-4-26b-a4b-it-4bit/,
  );
  refusedPair('qwen3_5', decay, 'INVALID_CHECKPOINT', /ssm_a/, /newer llama\.cpp/);
  const large = new GgufFile(file(pairOf('qwen2_vl', 'F32')));
  const [name] = [...large.tensors].find(([, { bytes }]) => bytes > 2 ** 14)!;
  assert.throws(() => large.floats(name), { code: 'INVALID_CHECKPOINT', message: /expected few numbers/ });
});
