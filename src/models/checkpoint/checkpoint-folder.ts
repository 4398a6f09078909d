// Opens a checkpoint folder as found on the hub: configs merged, weight files chosen, tensor headers read.
// Which settings win where a key occurs twice, and which files hold weights, follows transformers and mlx-vlm.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { AfterimageError } from '../../errors.js';
import type { Checkpoint, StoredTensorInfo, TokenIds } from './checkpoint.js';
import { readJson, type Json } from './json-file.js';
import { readSafetensorsHeader } from './safetensors-header.js';
import { readTokenizer } from './tiktoken.js';
import { ggufModel, openGguf, openGgufPair } from '../gguf/open-gguf.js';
import { withVision } from './vision-folder.js';

/** config.json alone, so that a family that is not supported is refused before its weights are looked at. */
export function readConfig(path: string, vision?: string): Json {
  const folder = resolve(path);
  if (ggufModel(folder) !== undefined || vision !== undefined)
    return openCheckpoint(folder, undefined, vision).config;
  requireFolder(folder);
  return readJson(folder, 'config.json')!;
}

/**
 * @param path A folder, or a GGUF file.
 * @param tokenIds Known from having opened it before.
 * @param vision Folder of the vision weights, or mmproj file, where they lie apart.
 * @throws AfterimageError MODEL_NOT_FOUND, MODEL_UNSUPPORTED, INVALID_CHECKPOINT, INVALID_ARGUMENT, IO_FAILED
 */
export function openCheckpoint(path: string, tokenIds: TokenIds = new Map(), vision?: string): Checkpoint {
  const folder = resolve(path);
  const gguf = ggufModel(folder);
  if (gguf !== undefined) return openGguf(openGgufPair(gguf, vision), tokenIds);
  const language = openFolder(folder, tokenIds);
  return vision === undefined ? language : withVision(language, openFolder(resolve(vision), new Map()));
}

function openFolder(folder: string, tokenIds: TokenIds): Checkpoint {
  requireFolder(folder);
  const config = readJson(folder, 'config.json')!;
  const processorConfig = readJson(folder, 'processor_config.json') ?? {};
  const preprocessor = readJson(folder, 'preprocessor_config.json') ?? {};
  const { image_processor: nested, ...processor } = processorConfig;
  const { media_proc_cfg: media, ...flat } = preprocessor;
  const files = weightFiles(folder);
  let parsed: { json: Json | undefined } | undefined;
  const tokenizer = () => (parsed ??= { json: readTokenizer(folder) }).json;
  return {
    folder,
    config,
    generationConfig: readJson(folder, 'generation_config.json') ?? {},
    imageProcessor: { ...flat, ...asObject(media), ...asObject(nested) },
    videoProcessor: videoSettings(folder, processorConfig.video_processor, flat),
    processor,
    tensors: readTensors(files),
    files,
    tokenId: tokenLookup(tokenizer, tokenIds),
    tokenizer,
    tokenIds,
  };
}

/** The first that is there, as the reference looks for them. */
function videoSettings(folder: string, nested: unknown, images: Json): Json {
  if (typeof nested === 'object' && nested !== null) return asObject(nested);
  return readJson(folder, 'video_preprocessor_config.json') ?? images;
}

function requireFolder(folder: string): void {
  if (!existsSync(folder)) throw notFound(`There is no model folder "${folder}"`);
  if (!statSync(folder).isDirectory()) throw notFound(`"${folder}" is a file, not a model folder`);
  if (!existsSync(join(folder, 'config.json'))) throw notFound(`"${folder}" has no config.json`);
}

/** The shards that the index names and that exist; else every *.safetensors of the folder but `consolidated*`. */
function weightFiles(folder: string): string[] {
  const index = readJson(folder, 'model.safetensors.index.json');
  const map = asObject(index?.weight_map);
  const named = [...new Set(Object.values(map).map(String))].sort();
  const outside = named.find((name) => name.includes('/') || name.includes('\\'));
  if (outside)
    throw invalid(
      `model.safetensors.index.json of "${folder}" names "${outside}", which is not a file of the folder`,
    );
  const indexed = named.filter((name) => existsSync(join(folder, name)));
  if (indexed.length > 0 && indexed.length < named.length) {
    const missing = named.find((name) => !indexed.includes(name));
    throw invalid(`Weight file "${missing}" is missing from "${folder}"`);
  }
  const found = indexed.length > 0 ? indexed : listSafetensors(folder);
  if (found.length === 0) throw notFound(`"${folder}" has no *.safetensors weights`);
  return found.map((name) => join(folder, name));
}

function listSafetensors(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.safetensors') && !name.startsWith('consolidated'))
    .sort();
}

function readTensors(files: string[]): Map<string, StoredTensorInfo> {
  const tensors = new Map<string, StoredTensorInfo>();
  for (const file of files) {
    for (const [name, info] of readSafetensorsHeader(file)) {
      if (tensors.has(name)) throw invalid(`Tensor "${name}" is stored twice, the second time in "${file}"`);
      tensors.set(name, info);
    }
  }
  return tensors;
}

/** Ids by token string: added tokens first, then the vocabulary. Read on first use. */
function tokenLookup(
  tokenizer: () => Json | undefined,
  known: TokenIds,
): (token: string) => number | undefined {
  let ids: Map<string, number> | undefined;
  return (token) => {
    if (!known.has(token)) known.set(token, (ids ??= idsOf(tokenizer() ?? {})).get(token));
    return known.get(token);
  };
}

function idsOf(tokenizer: Json): Map<string, number> {
  const ids = new Map<string, number>();
  const vocab = asObject(tokenizer.model).vocab;
  if (Array.isArray(vocab))
    vocab.forEach((entry, id) => Array.isArray(entry) && ids.set(String(entry[0]), id));
  else for (const [token, id] of Object.entries(asObject(vocab))) ids.set(token, Number(id));
  for (const entry of Array.isArray(tokenizer.added_tokens) ? tokenizer.added_tokens : []) {
    const { content, id } = asObject(entry);
    if (typeof content === 'string' && typeof id === 'number') ids.set(content, id);
  }
  return ids;
}

function asObject(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function notFound(what: string): AfterimageError {
  return new AfterimageError(
    'MODEL_NOT_FOUND',
    `${what}; pass --model with the folder of a downloaded checkpoint.`,
  );
}

function invalid(what: string): AfterimageError {
  return new AfterimageError('INVALID_CHECKPOINT', `${what}; download the checkpoint again.`);
}
