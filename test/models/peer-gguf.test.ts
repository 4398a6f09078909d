// The GGUF files that bench/peers writes for llama.cpp: whole, as our own reader and as llama.cpp see them.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Contender } from '../../bench/peers/contender.js';
import { PEER_DIMENSIONS, type PeerDimensions } from '../../bench/peers/gguf-dimensions.js';
import { writeDecoder, writeTower } from '../../bench/peers/gguf.js';
import { ggufFamilyOf } from '../../src/models/gguf/gguf-families.js';
import { GgufFile } from '../../src/models/gguf/gguf-file.js';
import { scratchFolder } from '../scratch-folder.js';

const SMALL = { hidden: 128, intermediate: 256, layers: 2, heads: 4 };

function small(dims: string): PeerDimensions {
  const { decoder, tower } = PEER_DIMENSIONS[dims]!;
  const sections = decoder.ropeSections && { ropeSections: [4, 6, 6] as [number, number, number] };
  return {
    decoder: { ...decoder, ...SMALL, ...sections, kvHeads: 2, headDim: 32, vocab: 1400 },
    tower: { ...tower, ...SMALL, out: SMALL.hidden },
    screenTokens: 0,
  };
}

function written(dims: string): { model: string; tower: string; sizes: PeerDimensions } {
  const folder = scratchFolder('peer-gguf');
  const files = { model: join(folder, 'model.gguf'), tower: join(folder, 'mmproj-model.gguf') };
  const sizes = small(dims);
  writeDecoder(files.model, sizes.decoder);
  writeTower(files.tower, sizes.tower, 'q8_0');
  return { ...files, sizes };
}

for (const dims of Object.keys(PEER_DIMENSIONS)) {
  test(`${dims}: our reader finds every tensor of the family and the file's end behind the last`, () => {
    const { model, tower, sizes } = written(dims);
    const pair = { text: new GgufFile(model), vision: new GgufFile(tower) };
    for (const file of [pair.text, pair.vision]) {
      const ends = [...file.tensors.values()].map(({ offset, bytes }) => file.start + offset + bytes);
      const last = Math.max(...ends);
      assert.equal(statSync(file.path).size, Math.ceil(last / 32) * 32);
    }
    const family = ggufFamilyOf(pair);
    const named = family.tensors(pair);
    assert.equal(new Set(named.text.flatMap(({ from }) => from)).size, pair.text.tensors.size);
    assert.equal(new Set(named.vision.flatMap(({ from }) => from)).size, pair.vision.tensors.size);
    assert.equal(pair.text.list('tokenizer.ggml.tokens')!.length, sizes.decoder.vocab);
    assert.deepEqual(pair.text.tensors.get('blk.1.ffn_down.weight')!.shape, [128, 256]);
    assert.equal(pair.text.tensors.get('blk.1.ffn_down.weight')!.dtype, 'Q4_0');
    assert.equal(pair.vision.tensors.get('v.blk.1.ffn_down.weight')!.dtype, 'Q8_0');
    assert.deepEqual([...pair.vision.floats('v.blk.0.ln1.bias')], Array(128).fill(0));
    assert.deepEqual([...pair.vision.floats('v.blk.0.ln1.weight')], Array(128).fill(1));
  });

  const peer = process.env['AFTERIMAGE_PEER'];
  const skip = !peer && 'AFTERIMAGE_PEER names no driver; npm run bench:peers builds one';
  test(`${dims}: llama.cpp loads, reads, writes and looks`, { skip }, async () => {
    const { model, tower } = written(dims);
    const contender = await Contender.start(peer!, [model, tower, '1']);
    try {
      assert.equal((await contender.ask('prefill 40')).tokens, 40);
      assert.equal((await contender.ask('hold 3 70')).tokens, 210);
      assert.equal((await contender.ask('decode 5 2')).tokens, 10);
      assert.equal((await contender.ask('question 6')).tokens, 6);
      assert.ok((await contender.ask('image 640 400')).tokens > 0);
      assert.ok((await contender.peak()) > 1);
    } finally {
      await contender.close();
    }
  });
}

test('a contender that ends says what it was asked and what it complained of', async () => {
  const script =
    'console.log(`{"ms":1,"cpu":1,"tokens":0}`);process.stdin.once("data",()=>{throw new Error("no such")})';
  const contender = await Contender.start(process.execPath, ['-e', script]);
  await assert.rejects(contender.ask('decode 1 1'), /ended \(1\) at "decode 1 1"[^]*no such/);
  await contender.close();
});
