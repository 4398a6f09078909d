// Downloads a checkpoint from the Hugging Face hub into Hugging Face's cache: one pinned commit, refused before its
// weights when it could not be run, resumable, every file checked.
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { hubFolder, huggingFaceHome, isModelName } from '../engine/model-places.js';
import { AfterimageError } from '../errors.js';
import { requireReadableQuantization } from '../models/checkpoint/stated-quantization.js';
import { readConfig } from '../models/checkpoint/checkpoint-folder.js';
import { readJson } from '../models/checkpoint/json-file.js';
import { TOKENIZER_FILES } from '../models/checkpoint/tiktoken.js';
import { familyOf } from '../models/registry.js';
import { ggufFamilies, readsGguf } from '../models/gguf/gguf-families.js';
import { Connection } from './connection.js';
import { download } from './download.js';
import { HubCache, sizeOf } from './hub-cache.js';
import { ggufPair } from './gguf-choice.js';
import { Hub, type HubFile } from './hub.js';
import { Progress, type PullProgress } from './progress.js';

export interface PullOptions {
  /** Branch, tag or commit; the commit it stands for is pinned before anything is downloaded. */
  revision?: string;
  /** The cache; absent: that of Hugging Face's own tools. */
  cache?: string;
  endpoint?: string;
  token?: string;
  signal?: AbortSignal;
  /** See `ConnectionOptions`. */
  retryMs?: number;
  onProgress?: (progress: PullProgress) => void;
}

export interface Pulled {
  folder: string;
  commit: string;
  files: string[];
}

const INDEX = 'model.safetensors.index.json';

/**
 * @param named `org/name`; of GGUF files also `org/name:Q4_K_M`.
 * @throws AfterimageError INVALID_ARGUMENT, MODEL_NOT_FOUND, MODEL_UNSUPPORTED, URL_FAILED, INVALID_CHECKPOINT
 * (checksum), IO_FAILED (full disk, another pull), CANCELLED
 */
export async function pull(named: string, options: PullOptions = {}): Promise<Pulled> {
  const { revision = 'main', cache: root = hubFolder() } = options;
  const [repository, kind] = named.split(/:(.*)/s) as [string, string | undefined];
  checkNames(repository, revision);
  const connection = new Connection({
    endpoint: options.endpoint || process.env['HF_ENDPOINT'] || 'https://huggingface.co',
    token: options.token ?? (await storedToken()),
    signal: options.signal,
    retryMs: options.retryMs,
  });
  const hub = new Hub(connection, repository);
  const { commit, files, gguf, architecture } = await hub.list(revision);
  const pair = gguf && ggufPair(repository, gguf, kind);
  if (pair) hub.requireSums(pair);
  if (pair && architecture !== undefined) requireReadable(repository, architecture);
  if (!pair && kind !== undefined)
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `"${repository}" is not a repository of GGUF files, so there is no ${kind} to choose; leave out ":${kind}".`,
    );
  return storing(root, async () => {
    const cache = new HubCache(root, repository);
    const unlock = await cache.lock();
    try {
      const work = new Pull(connection, hub, cache, commit, options);
      return await (pair ? work.takeAll(pair, revision) : work.run(files, revision));
    } finally {
      await unlock();
    }
  });
}

/** @throws AfterimageError IO_FAILED for what the disk says anywhere in between. */
async function storing<T>(root: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { code, syscall, path } = cause as NodeJS.ErrnoException;
    if (cause instanceof AfterimageError || syscall === undefined) throw cause;
    const full = code === 'ENOSPC' || code === 'EDQUOT';
    const why = full
      ? 'the disk is full; make room'
      : `${code}; check it, or choose another with HF_HUB_CACHE`;
    throw new AfterimageError(
      'IO_FAILED',
      `"${path ?? root}" cannot be stored (${why}), then run the command again.`,
      { cause },
    );
  }
}

class Pull {
  readonly #connection: Connection;
  readonly #hub: Hub;
  readonly #cache: HubCache;
  readonly #commit: string;
  readonly #folder: string;
  readonly #options: PullOptions;

  constructor(connection: Connection, hub: Hub, cache: HubCache, commit: string, options: PullOptions) {
    this.#connection = connection;
    this.#hub = hub;
    this.#cache = cache;
    this.#commit = commit;
    this.#folder = cache.snapshot(commit);
    this.#options = options;
  }

  async run(files: HubFile[], revision: string): Promise<Pulled> {
    await this.#cache.make(this.#commit);
    const config = files.find(({ name }) => name === 'config.json')!;
    await this.#take(config, () => undefined);
    const settings = readConfig(this.#folder);
    const [instead] = familyOf({ config: settings }).checkpoints;
    requireReadableQuantization(settings, instead?.name);
    requireTokenizer(files);
    const index = files.find(({ name }) => name === INDEX);
    if (index) await this.#take(index, () => undefined);
    return this.takeAll(this.#wanted(files), revision);
  }

  /** In their order. */
  async takeAll(wanted: HubFile[], revision: string): Promise<Pulled> {
    await this.#cache.make(this.#commit);
    await this.#room(wanted);
    const progress = new Progress(wanted.reduce((sum, { size }) => sum + size, 0));
    for (const file of wanted) {
      await this.#take(file, (done) => this.#options.onProgress?.(progress.at(file.name, done)));
      progress.finish(file.size);
    }
    await this.#cache.setRef(revision, this.#commit);
    return { folder: this.#folder, commit: this.#commit, files: wanted.map(({ name }) => name) };
  }

  /** Without the weights that the index does not name; weights last, so that whole weights mean a whole model. */
  #wanted(files: HubFile[]): HubFile[] {
    const map = readJson(this.#folder, INDEX)?.weight_map;
    const named = new Set(Object.values(typeof map === 'object' && map !== null ? map : {}).map(String));
    const isWeight = ({ name }: HubFile): boolean => name.endsWith('.safetensors');
    const weights = files.filter(isWeight);
    const indexed = weights.filter(({ name }) => named.has(name));
    if (indexed.length > 0 && indexed.length < named.size)
      throw new AfterimageError(
        'INVALID_CHECKPOINT',
        `${INDEX} names weights that the hub does not have; take another revision or upload of this model.`,
      );
    return [...files.filter((file) => !isWeight(file)), ...(indexed.length > 0 ? indexed : weights)];
  }

  async #room(files: HubFile[]): Promise<void> {
    let missing = 0;
    for (const file of files) {
      if (await this.#cache.has(this.#commit, file.name, file.size)) continue;
      const etag = file.sha256 ?? file.blobId;
      const whole = etag && (await sizeOf(this.#cache.blob(etag))) === file.size;
      const part = etag ? ((await sizeOf(this.#cache.part(etag))) ?? 0) : 0;
      if (!whole) missing += Math.max(0, file.size - part);
    }
    await this.#cache.requireRoom(missing);
  }

  async #take(file: HubFile, onBytes: (done: number) => void): Promise<void> {
    const [commit, cache, hub] = [this.#commit, this.#cache, this.#hub];
    if (await cache.has(commit, file.name, file.size)) return;
    const etag = await hub.etag(commit, file);
    const isNew = (await sizeOf(cache.blob(etag))) !== file.size;
    if (isNew) {
      const part = cache.part(etag);
      const path = hub.path(commit, file.name);
      await download(this.#connection, { path, file, part, signal: this.#options.signal, onBytes });
      await rename(part, cache.blob(etag));
    }
    await cache.link(commit, file.name, etag, isNew);
  }
}

/** @throws AfterimageError MODEL_UNSUPPORTED */
function requireReadable(repository: string, architecture: string): void {
  if (readsGguf(architecture)) return;
  const known = [...new Set(ggufFamilies.map((family) => family.architecture))].join(', ');
  throw new AfterimageError(
    'MODEL_UNSUPPORTED',
    `"${repository}" is ${architecture}; as GGUF are read ${known}. Take an MLX or safetensors checkpoint of this model.`,
  );
}

/** @throws AfterimageError MODEL_UNSUPPORTED */
function requireTokenizer(files: HubFile[]): void {
  if (files.some(({ name }) => TOKENIZER_FILES.includes(name))) return;
  throw new AfterimageError(
    'MODEL_UNSUPPORTED',
    `The model has none of ${TOKENIZER_FILES.join(', ')}, and other forms of a tokenizer are not read; take another upload of it, such as an MLX conversion.`,
  );
}

/** Where Hugging Face's tools keep it. https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables */
async function storedToken(): Promise<string | undefined> {
  const set = process.env['HF_TOKEN'] || process.env['HUGGING_FACE_HUB_TOKEN'];
  if (set) return set.trim();
  const file = process.env['HF_TOKEN_PATH'] || join(huggingFaceHome(), 'token');
  try {
    return (await readFile(file, 'utf8')).trim() || undefined;
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw new AfterimageError(
      'IO_FAILED',
      `The token file "${file}" cannot be read; check it, or set HF_TOKEN.`,
      {
        cause,
      },
    );
  }
}

function checkNames(repository: string, revision: string): void {
  if (!isModelName(repository))
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `Expected org/name but received "${repository}"; for example: afterimage pull Qwen/Qwen2-VL-2B-Instruct.`,
    );
  const isPath =
    /^[\w.-]+(\/[\w.-]+)*$/.test(revision) && !revision.split('/').some((part) => /^\.+$/.test(part));
  if (!isPath)
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `Expected a branch, tag or commit for --revision but received "${revision}".`,
    );
}
