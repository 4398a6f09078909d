// A pair of GGUF files, the model and its mmproj, as a checkpoint: what other checkpoints say in files of their own
// comes from the metadata, and tensors have the names and shapes that families ask for.
import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { AfterimageError } from '../../errors.js';
import type { Checkpoint, FileHeader, StoredTensorInfo, TokenIds } from '../checkpoint/checkpoint.js';
import { readJson } from '../checkpoint/json-file.js';
import { GgufFile } from './gguf-file.js';
import { ggufFamilyOf } from './gguf-families.js';
import type { GgufFamily, GgufPair } from './gguf-keys.js';
import { infoOf, type Renamed } from './gguf-names.js';
import { isGguf, isProjector, projectorRank } from './gguf-pair-names.js';
import { tokenizerConfigOf, tokenizerOf, vocabularyOf } from './gguf-tokenizer.js';

/** The model's file where `path` is one, or a folder with one and no other weights; undefined for other checkpoints. */
export function ggufModel(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile()) return isGguf(path) ? path : undefined;
  if (!found?.isDirectory()) return undefined;
  const names = readdirSync(path);
  if (names.some((name) => name.endsWith('.safetensors'))) return undefined;
  const models = names.filter((name) => isGguf(name) && !isProjector(name));
  if (models.length > 1)
    throw new AfterimageError(
      'MODEL_NOT_FOUND',
      `"${path}" holds several GGUF models (${models.slice(0, 6).join(', ')}); name one of them: --model ${join(path, models[0]!)}.`,
    );
  return models[0] === undefined ? undefined : join(path, models[0]);
}

/** @param vision The mmproj file, or a folder with one; absent: the one beside the model. */
export function openGgufPair(model: string, vision?: string): GgufPair {
  return { text: new GgufFile(model), vision: new GgufFile(projectorOf(model, vision)) };
}

function projectorOf(model: string, given?: string): string {
  if (given !== undefined && isGguf(given)) return resolve(given);
  const folder = given ?? dirname(model);
  const found = readdirSync(folder)
    .filter((name) => isGguf(name) && isProjector(name))
    .sort((a, b) => projectorRank(a) - projectorRank(b) || (a < b ? -1 : 1));
  if (found[0] !== undefined) return join(folder, found[0]);
  throw new AfterimageError(
    'MODEL_NOT_FOUND',
    `"${basename(model)}" cannot see without its mmproj file, and there is none in "${folder}"; download it beside the model, or name it with --vision FILE.`,
  );
}

/** @throws AfterimageError MODEL_NOT_FOUND, MODEL_UNSUPPORTED, INVALID_CHECKPOINT, IO_FAILED */
export function openGguf(pair: GgufPair, tokenIds: TokenIds = new Map()): Checkpoint {
  const family = ggufFamilyOf(pair);
  const folder = dirname(pair.text.path);
  const tokenId = tokenLookup(pair, family, tokenIds);
  const renamed = family.tensors(pair);
  // Settings beside the files are the makers' own.
  const imageProcessor = settingsBeside(folder) ?? family.imageProcessor(pair);
  let tokenizer: Record<string, unknown> | undefined;
  return {
    folder: pair.text.path,
    config: { ...family.config(pair, tokenId), quantization_config: { quant_method: 'gguf' } },
    generationConfig: { eos_token_id: endIds(pair.text, tokenId) },
    imageProcessor,
    videoProcessor:
      readJson(folder, 'video_preprocessor_config.json') ?? family.videoProcessor ?? imageProcessor,
    processor: {},
    ...tensorsOf(pair, renamed),
    files: [pair.text.path, pair.vision.path],
    tokenId,
    tokenizer: () => (tokenizer ??= tokenizerOf(pair.text, missingTokens(pair, family))),
    tokenIds,
    chatTemplate: pair.text.text('tokenizer.chat_template'),
    tokenizerConfig: tokenizerConfigOf(pair.text),
  };
}

function settingsBeside(folder: string): Record<string, unknown> | undefined {
  const nested = readJson(folder, 'processor_config.json')?.image_processor;
  const flat = readJson(folder, 'preprocessor_config.json');
  return typeof nested === 'object' && nested !== null ? { ...flat, ...nested } : flat;
}

function missingTokens({ text }: GgufPair, { tokens = [] }: GgufFamily): string[] {
  const known = new Set(vocabularyOf(text).tokens);
  return tokens.filter((token) => !known.has(token));
}

function tokenLookup(
  pair: GgufPair,
  family: GgufFamily,
  known: TokenIds,
): (token: string) => number | undefined {
  let ids: Map<string, number> | undefined;
  const all = (): Map<string, number> =>
    new Map(
      [...vocabularyOf(pair.text).tokens, ...missingTokens(pair, family)].map((token, id) => [token, id]),
    );
  return (token) => {
    if (!known.has(token)) known.set(token, (ids ??= all()).get(token));
    return known.get(token);
  };
}

/** Tokens that end answers whatever the metadata says; it names one of them. */
const ENDS = [
  ...['<|endoftext|>', '<|im_end|>', '<|end|>', '<|end_of_text|>', '<|eot_id|>', '</s>'],
  ...['<end_of_turn>', '<turn|>', '<end_of_utterance>'],
];

function endIds(text: GgufFile, tokenId: (token: string) => number | undefined): number[] {
  const stated = ['eos', 'eot', 'eom'].map((name) => text.number(`tokenizer.ggml.${name}_token_id`));
  return [...new Set([...stated, ...ENDS.map(tokenId)].filter((id) => id !== undefined))];
}

function tensorsOf(
  pair: GgufPair,
  renamed: { text: Renamed[]; vision: Renamed[] },
): Required<Pick<Checkpoint, 'tensors' | 'headers'>> {
  const tensors = new Map<string, StoredTensorInfo>();
  const headers: Record<string, FileHeader> = {};
  for (const kind of ['text', 'vision'] as const) {
    const file = pair[kind];
    for (const entry of renamed[kind]) tensors.set(entry.name, infoOf(entry, file.tensors));
    headers[file.path] = headerOf(file, renamed[kind]);
  }
  return { tensors, headers };
}

/** Names stay those of the file; a tensor that is read through a view has its shape. */
function headerOf(file: GgufFile, renamed: Renamed[]): FileHeader {
  const views = new Map(
    renamed.filter(({ from }) => from.length === 1).map(({ from, view }) => [from[0]!, view]),
  );
  const entries = renamed
    .flatMap(({ from }) => from)
    .map((name): [string, object] => {
      const { dtype, shape, offset, bytes } = file.tensors.get(name)!;
      return [
        name,
        { dtype, shape: views.get(name)?.shape ?? shape, data_offsets: [offset, offset + bytes] },
      ];
    });
  return { json: JSON.stringify(Object.fromEntries(entries)), start: file.start };
}
