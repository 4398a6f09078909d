// Copies of the starter model, each broken in one way.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { starterFolder } from '../../src/engine/model-folder.js';

const ROOT = mkdtempSync(join(tmpdir(), 'afterimage-broken-'));

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;

interface Weights {
  header: Header;
  data: Buffer;
}

function readWeights(folder: string): Weights {
  const bytes = readFileSync(join(folder, 'model.safetensors'));
  const length = Number(bytes.readBigUInt64LE());
  return { header: JSON.parse(bytes.subarray(8, 8 + length).toString()), data: bytes.subarray(8 + length) };
}

function writeWeights(folder: string, { header, data }: Weights): void {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([length, json, data]));
}

function copy(name: string, change: (folder: string) => void): string {
  const folder = join(ROOT, name);
  cpSync(starterFolder(), folder, { recursive: true });
  change(folder);
  return folder;
}

function withWeights(name: string, change: (weights: Weights) => void): string {
  return copy(name, (folder) => {
    const weights = readWeights(folder);
    change(weights);
    writeWeights(folder, weights);
  });
}

/** A decoder norm: float in every form of the checkpoint. */
const NORM = 'model.language_model.norm.weight';

export const brokenCheckpoints: Record<string, () => string> = {
  'no such folder': () => join(ROOT, 'nowhere'),
  'an empty folder': () => {
    mkdirSync(join(ROOT, 'empty'), { recursive: true });
    return join(ROOT, 'empty');
  },
  'a config that is no JSON': () =>
    copy('config', (folder) => writeFileSync(join(folder, 'config.json'), '{"model_type":')),
  'an unknown family': () =>
    copy('family', (folder) => writeFileSync(join(folder, 'config.json'), '{"model_type":"florence2"}')),
  'no weights': () => copy('weights', (folder) => rmSync(join(folder, 'model.safetensors'))),
  'a missing tensor': () => withWeights('missing', ({ header }) => delete header[NORM]),
  'a tensor of the wrong shape': () =>
    withWeights('shape', ({ header }) => {
      header[NORM]!.shape = [2, header[NORM]!.shape[0]! / 2];
    }),
  'truncated weights': () =>
    copy('truncated', (folder) => {
      const file = join(folder, 'model.safetensors');
      writeFileSync(file, readFileSync(file).subarray(0, 1_000_000));
    }),
  'offsets outside the file': () =>
    withWeights('offsets', ({ header }) => {
      const [start, end] = header[NORM]!.data_offsets;
      header[NORM]!.data_offsets = [start + 2 ** 40, end + 2 ** 40];
    }),
  'a header of 2^60 bytes': () =>
    copy('header', (folder) => {
      const file = join(folder, 'model.safetensors');
      const bytes = readFileSync(file);
      bytes.writeBigUInt64LE(2n ** 60n);
      writeFileSync(file, bytes);
    }),
  'NaN weights': () =>
    withWeights('nan', ({ header, data }) => {
      data.writeUInt16LE(0x7fc0, header[NORM]!.data_offsets[0]);
    }),
  'a tokenizer without the special tokens': () =>
    copy('tokenizer', (folder) => {
      const file = join(folder, 'tokenizer.json');
      const tokenizer = JSON.parse(readFileSync(file, 'utf8'));
      writeFileSync(file, JSON.stringify({ ...tokenizer, added_tokens: [] }));
    }),
  'no tokenizer': () => copy('no-tokenizer', (folder) => rmSync(join(folder, 'tokenizer.json'))),
  'no chat template': () => copy('template', (folder) => rmSync(join(folder, 'chat_template.jinja'))),
};

export function removeBroken(): void {
  rmSync(ROOT, { recursive: true, force: true });
}
