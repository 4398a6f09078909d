// Downloads a checkpoint from the Hugging Face hub: one pinned revision, resumable, checked against the sizes and the
// SHA-256 of weights that the hub's list of files names. https://huggingface.co/docs/hub/api
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AfterimageError } from '../errors.js';

export interface PullOptions {
  /** Branch, tag or commit; the commit it stands for is pinned before anything is downloaded. */
  revision?: string;
  endpoint?: string;
  token?: string;
  signal?: AbortSignal;
  onProgress?: (file: string, doneBytes: number, totalBytes: number) => void;
}

export interface Pulled {
  folder: string;
  commit: string;
  files: string[];
}

/** As the hub lists it. */
interface HubFile {
  name: string;
  size: number;
  /** Of files in large-file storage, which all weights are. */
  sha256?: string;
}

const WANTED = /^[^/]+\.(safetensors|json|jinja)$/;
const UNWANTED = /^consolidated/;
/** What matters here of an entry of the hub's list. */
interface Sibling {
  rfilename?: unknown;
  size?: unknown;
  lfs?: { sha256?: string };
}

const ATTEMPTS = 5;
const RETRY_MS = 500;
/** Which commit a folder holds; a half-finished download of another commit is thrown away. */
const PIN = '.revision';

/**
 * @param repository `org/name`.
 * @param folder Receives the files; made where absent.
 * @throws AfterimageError MODEL_NOT_FOUND, URL_FAILED, INVALID_CHECKPOINT (checksum), CANCELLED
 */
export async function pull(repository: string, folder: string, options: PullOptions = {}): Promise<Pulled> {
  const hub = new Hub(repository, options);
  const { commit, files } = await hub.resolve();
  await mkdir(folder, { recursive: true });
  await pin(folder, commit);
  for (const file of files) await hub.download(commit, file, join(folder, file.name));
  return { folder, commit, files: files.map(({ name }) => name) };
}

async function pin(folder: string, commit: string): Promise<void> {
  const file = join(folder, PIN);
  const before = await readFile(file, 'utf8').catch(() => undefined);
  if (before !== undefined && before !== commit) await rm(folder, { recursive: true });
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, commit);
}

class Hub {
  readonly #repository: string;
  readonly #options: PullOptions;

  readonly #endpoint: string;
  readonly #headers: Record<string, string>;

  constructor(repository: string, options: PullOptions) {
    this.#repository = repository;
    this.#options = options;

    if (!/^[\w.-]+\/[\w.-]+$/.test(repository)) {
      throw new AfterimageError(
        'INVALID_ARGUMENT',
        `Expected org/name but received "${repository}"; for example: afterimage pull Qwen/Qwen2-VL-2B-Instruct.`,
      );
    }
    this.#endpoint = (options.endpoint ?? process.env['HF_ENDPOINT'] ?? 'https://huggingface.co').replace(
      /\/$/,
      '',
    );
    const token = options.token ?? process.env['HF_TOKEN'];
    this.#headers = token ? { authorization: `Bearer ${token}` } : {};
  }

  async resolve(): Promise<{ commit: string; files: HubFile[] }> {
    const revision = encodeURIComponent(this.#options.revision ?? 'main');
    const response = await this.#request(
      `${this.#endpoint}/api/models/${this.#repository}/revision/${revision}?blobs=true`,
    );
    const body = (await response.json()) as { sha?: unknown; siblings?: Sibling[] };
    const files = (body.siblings ?? [])
      .map(({ rfilename, size, lfs }) => ({
        name: String(rfilename),
        size: Number(size),
        sha256: lfs?.sha256,
      }))
      .filter(({ name }) => WANTED.test(name) && !UNWANTED.test(name));
    if (typeof body.sha !== 'string' || !files.some(({ name }) => name === 'config.json')) {
      throw new AfterimageError(
        'INVALID_CHECKPOINT',
        `"${this.#repository}" has no config.json, so it is not a model checkpoint; check its name.`,
      );
    }
    const unknown = files.find(
      ({ name, size, sha256 }) =>
        !Number.isSafeInteger(size) ||
        (name.endsWith('.safetensors') && !/^[0-9a-f]{64}$/.test(sha256 ?? '')),
    );
    if (unknown) {
      throw new AfterimageError(
        'URL_FAILED',
        `${this.#endpoint} does not say what "${unknown.name}" must be (size and SHA-256), so it could not be checked; use the hub itself or another mirror.`,
      );
    }
    return { commit: body.sha, files };
  }

  async download(commit: string, file: HubFile, target: string): Promise<void> {
    if (await stat(target).catch(() => undefined)) return;
    const url = `${this.#endpoint}/${this.#repository}/resolve/${commit}/${encodeURIComponent(file.name)}`;
    const part = `${target}.part`;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#append(url, file, part);
        break;
      } catch (error) {
        if (attempt === ATTEMPTS || (error instanceof AfterimageError && error.code !== 'URL_FAILED'))
          throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS * attempt));
      }
    }
    await rename(part, target);
  }

  /** Continues `part` from where it ends, then checks it. */
  async #append(url: string, file: HubFile, part: string): Promise<void> {
    let have = (await stat(part).catch(() => undefined))?.size ?? 0;
    const response = await this.#request(url, have > 0 ? { range: `bytes=${have}-` } : {});
    if (response.status === 200) have = 0;
    if (response.status !== 416) {
      let done = have;
      const report = (chunk: Uint8Array): void => {
        done += chunk.length;
        this.#options.onProgress?.(file.name, done, file.size);
      };
      const source = Readable.fromWeb(response.body! as Parameters<typeof Readable.fromWeb>[0]);
      source.on('data', report);
      try {
        await pipeline(source, createWriteStream(part, { flags: have > 0 ? 'a' : 'w' }), {
          signal: this.#options.signal,
        });
      } catch (cause) {
        throw this.#interrupted(file.name, cause);
      }
    }
    await this.#verify(file, part);
  }

  async #verify({ name, size, sha256 }: HubFile, part: string): Promise<void> {
    const { size: bytes } = await stat(part);
    const wrong = bytes !== size ? `${bytes} bytes instead of ${size}` : await this.#wrongHash(part, sha256);
    if (!wrong) return;
    await rm(part);
    throw new AfterimageError(
      'INVALID_CHECKPOINT',
      `"${name}" did not arrive as the hub describes it (${wrong}); run the command again.`,
    );
  }

  async #wrongHash(part: string, expected: string | undefined): Promise<string | undefined> {
    if (expected === undefined) return undefined;
    const hash = createHash('sha256');
    await pipeline(createReadStream(part), hash);
    return hash.digest('hex') === expected ? undefined : 'SHA-256 differs';
  }

  async #request(url: string, headers: Record<string, string> = {}): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(url, {
        headers: { ...this.#headers, ...headers },
        signal: this.#options.signal,
      });
    } catch (cause) {
      if (this.#options.signal?.aborted) throw this.#interrupted(url, cause);
      const reason = (cause as { cause?: NodeJS.ErrnoException }).cause?.code ?? (cause as Error).message;
      throw new AfterimageError(
        'URL_FAILED',
        `${new URL(url).origin} cannot be reached (${reason}); check the network, then run the command again.`,
        { cause },
      );
    }
    if (response.ok || response.status === 416) return response;
    await response.body?.cancel();
    if ([401, 403, 404].includes(response.status)) {
      throw new AfterimageError(
        'MODEL_NOT_FOUND',
        `The hub has no "${this.#repository}" for you (${response.status}); check the name, and set HF_TOKEN for a gated model.`,
      );
    }
    throw new AfterimageError(
      'URL_FAILED',
      `The hub answered ${response.status} for ${url}; try again later.`,
    );
  }

  #interrupted(what: string, cause: unknown): AfterimageError {
    if (this.#options.signal?.aborted)
      return new AfterimageError(
        'CANCELLED',
        'The download was cancelled; run the command again to continue it.',
        { cause },
      );
    return new AfterimageError(
      'URL_FAILED',
      `The download of ${what} was interrupted; run the command again to continue it.`,
      { cause },
    );
  }
}
