// Seed corpora and a dictionary for the fuzzers:  npx tsx native/fuzz/make-seeds.ts OUT MODEL_FOLDER…
// Programs of the given models, one program for every operator they use, and small safetensors files.
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Program, ProgramOp } from '../../src/graph/program.js';
import { openModel } from '../../src/models/registry.js';

const [out, ...folders] = process.argv.slice(2);
if (!out || folders.length === 0) {
  process.stderr.write('Usage: npx tsx native/fuzz/make-seeds.ts OUT MODEL_FOLDER…\n');
  process.exit(2);
}

function save(corpus: string, content: string | Buffer): void {
  const folder = join(out!, corpus);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, createHash('sha256').update(content).digest('hex').slice(0, 16)), content);
}

/** The part of `program` that one operator needs: its operands become inputs. */
function alone(program: Program, op: ProgramOp): Program {
  const values = [...new Set([...op.in, ...op.out].filter((index) => index >= 0))];
  const weights = [...new Set(op.weights.filter((index) => index >= 0))];
  const at = (list: number[]) => (index: number) => (index < 0 ? -1 : list.indexOf(index));
  const layer = Number(op.attrs.layer ?? 0);
  return {
    name: program.name,
    inputs: [...new Set(op.in.filter((index) => index >= 0))].map(at(values)),
    outputs: op.out.map(at(values)),
    values: values.map((index) => program.values[index]!),
    weights: weights.map((index) => program.weights[index]!),
    ops: [{ ...op, in: op.in.map(at(values)), weights: op.weights.map(at(weights)), out: op.out.map(at(values)) }],
    ...(op.op === 'attention' ? { kv: { layers: program.kv!.layers.slice(0, layer + 1) } } : {}),
    ...(op.op === 'shortConv' || op.op === 'gatedDelta' ? { states: { elements: program.states!.elements.slice(0, layer + 1) } } : {}),
  };
}

function safetensors(header: unknown, data: number): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(data, 7)]);
}

const words = new Set<string>(['symbol', 'constant', 'mul', 'div', 'quantization', 'permute', 'slice', 'layers', 'elements', 'data_offsets']);
for (const folder of folders) {
  const { model } = openModel(folder);
  for (const program of [model.vision, model.decoder]) {
    save('program', JSON.stringify(program));
    for (const op of program.ops) {
      save('program', JSON.stringify(alone(program, op)));
      for (const word of [op.op, ...Object.keys(op.attrs)]) words.add(word);
    }
  }
}

const types = ['F64', 'F32', 'F16', 'BF16', 'I64', 'I32', 'I16', 'I8', 'U64', 'U32', 'U16', 'U8', 'BOOL', 'F8_E4M3', 'F8_E5M2', 'F8_E8M0'];
for (const dtype of types) {
  words.add(dtype);
  const bytes = { '6': 8, '3': 4, '1': 2 }[/(64|32|16)$/.exec(dtype)?.[1]?.[0] ?? ''] ?? 1;
  save('safetensors', safetensors({ w: { dtype, shape: [2, 3], data_offsets: [0, 6 * bytes] } }, 6 * bytes));
}
const two = { a: { dtype: 'U8', shape: [4], data_offsets: [0, 4] }, b: { dtype: 'F32', shape: [], data_offsets: [4, 8] } };
save('safetensors', safetensors({ __metadata__: { format: 'mlx' }, ...two }, 8));
save('safetensors', safetensors('{"\\u00e9\\ud83d\\ude00":{"dtype":"F16","shape":[0,5],"data_offsets":[0,0]}}   ', 0));
save('safetensors', safetensors('{}', 0));
writeFileSync(join(out, 'words.dict'), [...words].map((word) => `"\\"${word}\\""\n`).join(''));
