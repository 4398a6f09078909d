import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { decoderWidths } from '../../src/graph/program.js';
import type { ErrorCode } from '../../src/errors.js';
import { openCheckpoint } from '../../src/models/checkpoint/checkpoint-folder.js';
import { Config } from '../../src/models/checkpoint/config.js';
import { pixtralConfig } from '../../src/models/towers/pixtral.js';
import { openModel } from '../../src/models/registry.js';
import {
  f32,
  safetensors,
  tinyConfig,
  tinyProcessor,
  tinyTensors,
  writeCheckpoint,
  type Tensors,
} from './tiny-checkpoint.js';
import { scratchFolder } from '../scratch-folder.js';

function fails(action: () => unknown, code: ErrorCode, ...words: string[]): void {
  assert.throws(action, (error: Error & { code: string }) => {
    assert.equal(error.code, code, error.message);
    for (const word of words)
      assert.ok(error.message.includes(word), `"${word}" is not in: ${error.message}`);
    return true;
  });
}

test('a complete folder becomes a model', () => {
  const { model } = openModel(writeCheckpoint());
  assert.equal(model.modelType, 'smolvlm');
  assert.deepEqual(decoderWidths(model.decoder), { hidden: 64, vocab: 40, deepstack: 0 });
  assert.equal(model.imageTokenId, 39);
  assert.equal(model.processor.plan(64, 32).tokens, 12);
});

test('the tokenizer is parsed once, and stays', () => {
  const tokenizer = { model: { vocab: { a: 0 } }, added_tokens: [{ id: 1, content: '<image>' }] };
  const folder = writeCheckpoint({ json: { 'tokenizer.json': tokenizer } });
  const { tokenId, tokenizer: parsed } = openCheckpoint(folder);
  assert.equal(tokenId('<image>'), 1);
  rmSync(join(folder, 'tokenizer.json'));
  assert.equal(tokenId('a'), 0);
  assert.deepEqual(parsed!(), tokenizer);
  assert.equal(parsed!(), parsed!());
});

test('a folder that is not there, a file, and a folder without config.json are MODEL_NOT_FOUND', () => {
  const folder = scratchFolder('empty');
  fails(() => openModel(join(folder, 'nowhere')), 'MODEL_NOT_FOUND', 'There is no model folder');
  fails(() => openModel(folder), 'MODEL_NOT_FOUND', 'no config.json');
  writeFileSync(join(folder, 'file'), '');
  fails(() => openModel(join(folder, 'file')), 'MODEL_NOT_FOUND', 'is a file');
  fails(() => openModel(writeCheckpoint({ files: {} })), 'MODEL_NOT_FOUND', 'no *.safetensors');
});

test('an unknown model type is refused by name, with those that are supported', () => {
  fails(
    () => openModel(writeCheckpoint({ config: { model_type: 'florence9' } })),
    'MODEL_UNSUPPORTED',
    '"florence9"',
    'qwen3_vl',
    'gemma3',
    'smolvlm',
  );
  fails(
    () => openModel(writeCheckpoint({ config: { model_type: 'florence9' }, files: {} })),
    'MODEL_UNSUPPORTED',
    '"florence9"',
  );
  fails(() => openModel(writeCheckpoint({ config: {} })), 'MODEL_UNSUPPORTED', 'without "model_type"');
});

test('missing tensors, wrong shapes and wrong types are named', () => {
  const broken = (change: (tensors: Tensors) => void): (() => unknown) => {
    const tensors = tinyTensors();
    change(tensors);
    return () => openModel(writeCheckpoint({ files: { 'model.safetensors': tensors } }));
  };
  const down = 'model.text_model.layers.0.mlp.down_proj.weight';
  for (const name of Object.keys(tinyTensors())) {
    fails(
      broken((tensors) => delete tensors[name]),
      'INVALID_CHECKPOINT',
      name.replace(/\.(weight|bias)$/, ''),
      'is missing',
    );
  }
  fails(
    broken((tensors) => (tensors[down] = f32(64, 127))),
    'INVALID_CHECKPOINT',
    down,
    '[64, 127]',
    '[64, 128]',
  );
  fails(
    broken((tensors) => (tensors[down] = { dtype: 'I32', shape: [64, 128] })),
    'INVALID_CHECKPOINT',
    down,
    'I32',
  );
});

test('a head that is absent is the token table only where the configuration ties them', () => {
  const tensors = tinyTensors();
  delete tensors['lm_head.weight'];
  const { model } = openModel(
    writeCheckpoint({
      config: { ...tinyConfig(), tie_word_embeddings: true },
      files: { 'model.safetensors': tensors },
    }),
  );
  assert.equal(model.decoder.weights.at(-1)?.name, 'model.text_model.norm.weight');
  assert.equal(model.decoder.weights.filter(({ name }) => name.endsWith('embed_tokens.weight')).length, 1);
});

test('missing and malformed configuration keys are named', () => {
  const config = tinyConfig() as { text_config: Record<string, unknown> };
  const without =
    (key: string, value?: unknown): (() => unknown) =>
    () =>
      openModel(
        writeCheckpoint({ config: { ...config, text_config: { ...config.text_config, [key]: value } } }),
      );
  fails(
    () => openModel(writeCheckpoint({ config: { ...config, scale_factor: undefined } })),
    'INVALID_CHECKPOINT',
    '"scale_factor"',
    'config.json',
    'nothing',
  );
  fails(without('hidden_size', '64'), 'INVALID_CHECKPOINT', '"hidden_size"', '"64"');
  fails(without('vocab_size', -1), 'INVALID_CHECKPOINT', '"vocab_size"', '-1');
  const folder = writeCheckpoint();
  writeFileSync(join(folder, 'config.json'), '{ "model_type": ');
  fails(() => openModel(folder), 'INVALID_CHECKPOINT', 'config.json', 'JSON');
});

test('damaged safetensors headers are refused before anything is allocated', () => {
  const folder = writeCheckpoint();
  const damaged = (bytes: Buffer): (() => unknown) => {
    writeFileSync(join(folder, 'model.safetensors'), bytes);
    return () => openCheckpoint(folder);
  };
  const length = (n: bigint): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(n);
    return bytes;
  };
  fails(damaged(Buffer.alloc(0)), 'INVALID_CHECKPOINT', 'model.safetensors');
  fails(damaged(length(2n ** 60n)), 'INVALID_CHECKPOINT', '1152921504606846976 bytes');
  fails(damaged(safetensors(tinyTensors()).subarray(0, 200)), 'INVALID_CHECKPOINT', 'header claims');
  fails(damaged(Buffer.concat([length(4n), Buffer.from('{"a"')])), 'INVALID_CHECKPOINT', 'not JSON');
  fails(damaged(Buffer.concat([length(2n), Buffer.from('[]')])), 'INVALID_CHECKPOINT', 'not an object');
  const entry = Buffer.from('{"a":{"dtype":"F32","shape":[-1]}}');
  fails(damaged(Buffer.concat([length(BigInt(entry.length)), entry])), 'INVALID_CHECKPOINT', 'tensor "a"');
});

test('shards come from the index; native Mistral files and subfolders are ignored', () => {
  const all = Object.entries(tinyTensors());
  const files = {
    'model-00001-of-00002.safetensors': Object.fromEntries(all.slice(0, 9)),
    'model-00002-of-00002.safetensors': Object.fromEntries(all.slice(9)),
  };
  const weight_map = Object.fromEntries(
    Object.entries(files).flatMap(([file, tensors]) => Object.keys(tensors).map((name) => [name, file])),
  );
  const folder = writeCheckpoint({
    files: { ...files, 'consolidated.safetensors': { x: f32(1) }, 'extra.safetensors': { y: f32(1) } },
    json: { 'model.safetensors.index.json': { weight_map } },
  });
  mkdirSync(join(folder, 'original'));
  writeFileSync(join(folder, 'original', 'model.safetensors'), safetensors(tinyTensors()));
  const checkpoint = openCheckpoint(folder);
  assert.deepEqual(
    checkpoint.files.map((file) => basename(file)),
    Object.keys(files),
  );
  assert.equal(checkpoint.tensors.size, all.length);

  const unindexed = openCheckpoint(
    writeCheckpoint({
      files: { 'model.safetensors': tinyTensors(), 'consolidated.safetensors': tinyTensors() },
    }),
  );
  assert.deepEqual(
    unindexed.files.map((file) => basename(file)),
    ['model.safetensors'],
  );
});

test('a shard that is missing, a tensor that is stored twice and an index that leaves the folder are refused', () => {
  const weight_map = { a: 'model-1.safetensors', b: 'model-2.safetensors' };
  const json = { 'model.safetensors.index.json': { weight_map } };
  fails(
    () => openCheckpoint(writeCheckpoint({ files: { 'model-1.safetensors': { a: f32(1) } }, json })),
    'INVALID_CHECKPOINT',
    'model-2.safetensors',
  );
  fails(
    () =>
      openCheckpoint(
        writeCheckpoint({ files: { 'a.safetensors': { x: f32(1) }, 'b.safetensors': { x: f32(1) } } }),
      ),
    'INVALID_CHECKPOINT',
    '"x" is stored twice',
  );
  fails(
    () =>
      openCheckpoint(
        writeCheckpoint({
          json: { 'model.safetensors.index.json': { weight_map: { a: '../a.safetensors' } } },
        }),
      ),
    'INVALID_CHECKPOINT',
    '../a.safetensors',
  );
});

test('image settings: nested ones win over media_proc_cfg, which wins over flat ones', () => {
  const folder = writeCheckpoint({
    json: {
      'preprocessor_config.json': {
        ...tinyProcessor,
        resample: 3,
        a: 'flat',
        b: 'flat',
        media_proc_cfg: { b: 'media', c: 'media' },
      },
      'processor_config.json': { image_seq_len: 4, image_processor: { c: 'nested' } },
    },
  });
  const { imageProcessor, processor } = openCheckpoint(folder);
  assert.deepEqual([imageProcessor.a, imageProcessor.b, imageProcessor.c], ['flat', 'media', 'nested']);
  assert.equal(imageProcessor.media_proc_cfg, undefined);
  assert.deepEqual(processor, { image_seq_len: 4 });
});

test('token ids: added tokens win over the vocabulary', () => {
  const tokenizer = {
    model: { vocab: { a: 1, '<image>': 2 } },
    added_tokens: [{ content: '<image>', id: 7 }],
  };
  const { tokenId, tokenIds } = openCheckpoint(writeCheckpoint({ json: { 'tokenizer.json': tokenizer } }));
  assert.deepEqual([tokenId('a'), tokenId('<image>'), tokenId('b')], [1, 7, undefined]);
  // A thread that is told what was found before does not parse the tokenizer again.
  const torn = writeCheckpoint();
  writeFileSync(join(torn, 'tokenizer.json'), '{');
  const again = openCheckpoint(torn, tokenIds);
  assert.deepEqual([again.tokenId('a'), again.tokenId('b')], [1, undefined]);
  assert.throws(() => again.tokenId('c'), /cannot be read as JSON/);
});

test('keys that equal a class default may be left out of sections', () => {
  const config = new Config({ hidden_size: 8, head_dim: null }, 'text_config').withDefaults({
    hidden_size: 4096,
    num_hidden_layers: 32,
    head_dim: 128,
  });
  assert.deepEqual(
    [config.count('hidden_size'), config.count('num_hidden_layers'), config.count('head_dim')],
    [8, 32, 128],
  );
  const pixtral = pixtralConfig(
    new Config({ vision_config: { model_type: 'pixtral', hidden_act: 'silu' } }, 'config.json'),
  );
  assert.deepEqual(
    [pixtral.count('hidden_size'), pixtral.count('num_hidden_layers'), pixtral.string('hidden_act')],
    [1024, 24, 'silu'],
  );
});
