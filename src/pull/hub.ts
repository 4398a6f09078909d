// What the hub says of a repository: the commit that a revision stands for, and its files with sizes and hashes.
// https://huggingface.co/docs/hub/api
import { AfterimageError } from '../errors.js';
import { isGguf } from '../models/gguf/gguf-pair-names.js';
import type { Connection, Response } from './connection.js';

/** As the hub lists it. */
export interface HubFile {
  name: string;
  size: number;
  /** Of files in large-file storage, which all weights are. */
  sha256?: string;
  /** Git's SHA-1 of any other file. */
  blobId?: string;
}

export interface Listing {
  commit: string;
  files: HubFile[];
  /** All files, where their weights are GGUF alone. */
  gguf?: HubFile[];
  /** What the hub says of GGUF files: llama.cpp's name for the decoder. */
  architecture?: string;
}

interface Answer {
  sha?: unknown;
  siblings?: unknown;
  gguf?: { architecture?: unknown } | null;
}

/** What matters here of an entry of the hub's list. */
interface Sibling {
  rfilename?: unknown;
  size?: unknown;
  blobId?: unknown;
  lfs?: { sha256?: unknown; size?: unknown } | null;
}

/** Weights, settings, every form of tokenizer, templates. */
const WANTED =
  /^([^/]+\.(safetensors|json|jinja|model|tiktoken)|(merges|vocab)\.txt|additional_chat_templates\/[^/]+\.jinja)$/;
const UNWANTED = /^consolidated|^\.+$/;

export class Hub {
  readonly #connection: Connection;
  readonly #repository: string;

  /** @param repository `org/name` */
  constructor(connection: Connection, repository: string) {
    this.#connection = connection;
    this.#repository = repository;
  }

  /** @throws AfterimageError MODEL_NOT_FOUND, URL_FAILED, INVALID_CHECKPOINT, CANCELLED */
  async list(revision: string): Promise<Listing> {
    const path = `/api/models/${this.#repository}/revision/${encodeURIComponent(revision)}?blobs=true`;
    const body = await this.#connection.persist(async () => {
      const response = await this.#connection.request(path);
      return (await json(response, this.#connection)) as Answer;
    });
    const siblings = (Array.isArray(body.siblings) ? body.siblings : []) as Sibling[];
    const all = siblings.map(asFile);
    const files = all.filter(({ name }) => WANTED.test(name) && !UNWANTED.test(name));
    if (typeof body.sha !== 'string' || !/^[0-9a-f]{40,64}$/.test(body.sha))
      throw new AfterimageError(
        'URL_FAILED',
        `${this.#connection.endpoint} does not say which commit "${revision}" is; use the hub itself or another mirror.`,
      );
    const ggufAlone =
      all.some(({ name }) => isGguf(name)) && !files.some(({ name }) => name.endsWith('.safetensors'));
    if (ggufAlone) {
      const architecture = typeof body.gguf?.architecture === 'string' ? body.gguf.architecture : undefined;
      return { commit: body.sha, files, gguf: all, architecture };
    }
    this.#check(files);
    return { commit: body.sha, files };
  }

  /** Path of a file below the endpoint. */
  path(commit: string, name: string): string {
    return `/${this.#repository}/resolve/${commit}/${name.split('/').map(encodeURIComponent).join('/')}`;
  }

  /** The name of a file's blob in the cache: what Hugging Face's library takes from the headers of the same file. */
  async etag(commit: string, { name, sha256, blobId }: HubFile): Promise<string> {
    const listed = sha256 ?? blobId;
    if (listed) return listed;
    const { headers } = await this.#connection.persist(() =>
      this.#connection.request(this.path(commit, name), {}, 'HEAD'),
    );
    const etag = (headers.get('x-linked-etag') ?? headers.get('etag'))?.replace(/^W\//, '').replace(/"/g, '');
    if (etag && /^[\w-]+$/.test(etag)) return etag;
    throw unchecked(this.#connection.endpoint, name);
  }

  #check(files: HubFile[]): void {
    const lacking = !files.some(({ name }) => name === 'config.json')
      ? 'no config.json, so it is not a model checkpoint; check its name'
      : !files.some(({ name }) => name.endsWith('.safetensors'))
        ? 'no *.safetensors weights; take another upload of this model'
        : undefined;
    if (lacking) throw new AfterimageError('INVALID_CHECKPOINT', `"${this.#repository}" has ${lacking}.`);
    this.requireSums(files);
  }

  /** @throws AfterimageError URL_FAILED where the hub does not say what a file must be */
  requireSums(files: readonly HubFile[]): void {
    const unknown = files.find(
      ({ name, size, sha256 }) =>
        !Number.isSafeInteger(size) ||
        size < 0 ||
        (/\.(safetensors|gguf)$/i.test(name) && sha256 === undefined),
    );
    if (unknown) throw unchecked(this.#connection.endpoint, unknown.name);
  }
}

function asFile({ rfilename, size, blobId, lfs }: Sibling): HubFile {
  const sha256 = hex(lfs?.sha256, 64);
  return {
    name: String(rfilename),
    size: Number(size ?? lfs?.size),
    ...(sha256 ? { sha256 } : { blobId: hex(blobId, 40) }),
  };
}

function hex(value: unknown, digits: number): string | undefined {
  return typeof value === 'string' && value.length === digits && /^[0-9a-f]+$/.test(value)
    ? value
    : undefined;
}

async function json(response: Response, connection: Connection): Promise<object> {
  try {
    const body: unknown = JSON.parse(await response.text());
    if (typeof body === 'object' && body !== null) return body;
  } catch (cause) {
    throw connection.interrupted('the list of files', cause);
  }
  throw connection.interrupted('the list of files');
}

function unchecked(endpoint: string, name: string): AfterimageError {
  return new AfterimageError(
    'URL_FAILED',
    `${endpoint} does not say what "${name}" must be (size and SHA-256), so it could not be checked; use the hub itself or another mirror.`,
  );
}
