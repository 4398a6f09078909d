// --vision: a language model whose vision weights lie in another folder.
import assert from 'node:assert/strict';
import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { openModel } from '../../src/models/registry.js';
import { CHECKPOINTS } from '../goldens/checkpoints.js';
import { readSafetensors } from '../goldens/reference-weights.js';
import { scratchFolder } from '../scratch-folder.js';
import { writePair } from './gguf-writer.js';
import { withoutCore } from './read-back.js';
import { safetensors, type Tensors } from './tiny-checkpoint.js';

const SOURCE = join(CHECKPOINTS, 'kimi_vl');
const isVision = (name: string): boolean => /vision_tower|multi_modal_projector|mm_projector/.test(name);

type Json = Record<string, unknown>;
const readJson = (file: string): Json => JSON.parse(readFileSync(file, 'utf8')) as Json;

/** The checkpoint with the tensors that `wanted` keeps and a config that `change` makes of its own. */
function partOf(wanted: (name: string) => boolean, change: (config: Json) => Json): string {
  const folder = scratchFolder('part');
  cpSync(SOURCE, folder, { recursive: true });
  const config = join(folder, 'config.json');
  writeFileSync(config, JSON.stringify(change(readJson(config))));
  const file = join(folder, 'model.safetensors');
  const tensors: Tensors = {};
  for (const [name, { dtype, shape, bytes }] of readSafetensors([file]))
    if (wanted(name)) tensors[name] = { dtype, shape, bytes };
  writeFileSync(file, safetensors(tensors));
  return folder;
}

const programs = (folder: string, vision?: string): string => {
  const { vision: tower, decoder } = openModel(folder, undefined, vision).model;
  return JSON.stringify([tower, decoder]);
};

async function answer(model: string, vision?: string): Promise<string> {
  const engine = new LocalEngine({ model, vision, precision: 'exact' });
  try {
    const width = 64;
    const data = Uint8Array.from({ length: width * width * 3 }, (_, i) => (i * 7) % 256);
    const image = {
      pixelHash: 'p',
      width,
      height: width,
      pixels: () => Promise.resolve({ width, height: width, data }),
    };
    const content = [{ type: 'image', image } as const, { type: 'text', text: 'What is it?' } as const];
    const { text } = await engine.open().ask([{ role: 'user', content }], { maxTokens: 12 });
    return text;
  } finally {
    await engine.close();
  }
}

test('a language model and a tower apart are the whole model', { skip: withoutCore() }, async () => {
  const whole = programs(SOURCE);
  const expected = await answer(SOURCE);
  const tower = partOf(isVision, (config) => config);
  const language = partOf(
    (name) => !isVision(name),
    (config) => ({ ...config, vision_config: null }),
  );
  rmSync(join(language, 'preprocessor_config.json'));
  assert.equal(programs(language, tower), whole);
  assert.equal(await answer(language, tower), expected);
  assert.equal(await answer(language, SOURCE), expected, 'a folder with a whole model serves too');
});

test('a language model that states a decoder alone stands for the text part', () => {
  const tower = partOf(isVision, (config) => config);
  const decoder = partOf(
    (name) => !isVision(name),
    (config) => config['text_config'] as Json,
  );
  assert.equal(programs(decoder, tower), programs(SOURCE));
});

test('an mmproj file may lie anywhere', () => {
  const [model, elsewhere] = [scratchFolder('model'), scratchFolder('mmproj')];
  writePair(join(CHECKPOINTS, 'qwen2_vl'), model, 'F16');
  const beside = programs(join(model, 'model.gguf'));
  const file = join(elsewhere, 'mmproj.gguf');
  renameSync(join(model, 'mmproj-model.gguf'), file);
  assert.equal(programs(join(model, 'model.gguf'), file), beside);
  assert.equal(programs(model, elsewhere), beside);
});

test('what is useless or missing is said', () => {
  const tower = partOf(isVision, (config) => config);
  assert.throws(() => openModel(SOURCE, undefined, tower), {
    code: 'INVALID_ARGUMENT',
    message: /leave out --vision/,
  });
  assert.throws(
    () =>
      openModel(
        partOf(
          (name) => !isVision(name),
          (config) => config,
        ),
      ),
    {
      code: 'INVALID_CHECKPOINT',
      message: /--vision/,
    },
  );
});
