// Downloads a checkpoint from the Hugging Face hub: one pinned revision, resumable, verified.
// https://huggingface.co/docs/hub/api
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

const WANTED = /^[^/]+\.(safetensors|json|jinja)$/;
const UNWANTED = /^consolidated/;
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
  for (const file of files) await hub.download(commit, file, join(folder, file));
  return { folder, commit, files };
}

async function pin(folder: string, commit: string): Promise<void> {
  const file = join(folder, PIN);
  const before = await readFile(file, 'utf8').catch(() => undefined);
  if (before !== undefined && before !== commit) await rm(folder, { recursive: true });
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, commit);
}

class Hub {
  private readonly endpoint: string;
  private readonly headers: Record<string, string>;

  constructor(
    private readonly repository: string,
    private readonly options: PullOptions,
  ) {
    if (!/^[\w.-]+\/[\w.-]+$/.test(repository)) {
      throw new AfterimageError(
        'INVALID_ARGUMENT',
        `Expected org/name but received "${repository}"; for example: afterimage pull Qwen/Qwen2-VL-2B-Instruct.`,
      );
    }
    this.endpoint = (options.endpoint ?? process.env['HF_ENDPOINT'] ?? 'https://huggingface.co').replace(
      /\/$/,
      '',
    );
    const token = options.token ?? process.env['HF_TOKEN'];
    this.headers = token ? { authorization: `Bearer ${token}` } : {};
  }

  async resolve(): Promise<{ commit: string; files: string[] }> {
    const revision = encodeURIComponent(this.options.revision ?? 'main');
    const response = await this.request(
      `${this.endpoint}/api/models/${this.repository}/revision/${revision}`,
    );
    const body = (await response.json()) as { sha?: unknown; siblings?: { rfilename?: unknown }[] };
    const names = (body.siblings ?? []).map(({ rfilename }) => String(rfilename));
    const files = names.filter((name) => WANTED.test(name) && !UNWANTED.test(name));
    if (typeof body.sha !== 'string' || !files.includes('config.json')) {
      throw new AfterimageError(
        'INVALID_CHECKPOINT',
        `"${this.repository}" has no config.json, so it is not a model checkpoint; check its name.`,
      );
    }
    return { commit: body.sha, files };
  }

  async download(commit: string, file: string, target: string): Promise<void> {
    if (await stat(target).catch(() => undefined)) return;
    const url = `${this.endpoint}/${this.repository}/resolve/${commit}/${encodeURIComponent(file)}`;
    const part = `${target}.part`;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.append(url, file, part);
        break;
      } catch (error) {
        if (attempt === ATTEMPTS || (error instanceof AfterimageError && error.code !== 'URL_FAILED'))
          throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS * attempt));
      }
    }
    await rename(part, target);
  }

  /** Continues `part` from where it ends, then checks it against the size and hash that the hub names. */
  private async append(url: string, file: string, part: string): Promise<void> {
    let have = (await stat(part).catch(() => undefined))?.size ?? 0;
    const response = await this.request(url, have > 0 ? { range: `bytes=${have}-` } : {});
    if (response.status === 200) have = 0;
    const total = have + Number(response.headers.get('content-length') ?? 0);
    if (response.status !== 416) {
      let done = have;
      const report = (chunk: Uint8Array): void => {
        done += chunk.length;
        this.options.onProgress?.(file, done, total);
      };
      const source = Readable.fromWeb(response.body! as Parameters<typeof Readable.fromWeb>[0]);
      source.on('data', report);
      try {
        await pipeline(source, createWriteStream(part, { flags: have > 0 ? 'a' : 'w' }), {
          signal: this.options.signal,
        });
      } catch (cause) {
        throw this.interrupted(file, cause);
      }
    }
    await this.verify(response, file, part);
  }

  private async verify(response: Response, file: string, part: string): Promise<void> {
    const expected = (response.headers.get('x-linked-etag') ?? response.headers.get('etag') ?? '').replaceAll(
      '"',
      '',
    );
    if (!/^[0-9a-f]{64}$/.test(expected)) return;
    const hash = createHash('sha256');
    await pipeline(createReadStream(part), hash);
    if (hash.digest('hex') === expected) return;
    await rm(part);
    throw new AfterimageError(
      'INVALID_CHECKPOINT',
      `"${file}" did not arrive as the hub describes it (SHA-256 differs); run the command again.`,
    );
  }

  private async request(url: string, headers: Record<string, string> = {}): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(url, { headers: { ...this.headers, ...headers }, signal: this.options.signal });
    } catch (cause) {
      throw this.interrupted(url, cause);
    }
    if (response.ok || response.status === 416) return response;
    await response.body?.cancel();
    if ([401, 403, 404].includes(response.status)) {
      throw new AfterimageError(
        'MODEL_NOT_FOUND',
        `The hub has no "${this.repository}" for you (${response.status}); check the name, and set HF_TOKEN for a gated model.`,
      );
    }
    throw new AfterimageError(
      'URL_FAILED',
      `The hub answered ${response.status} for ${url}; try again later.`,
    );
  }

  private interrupted(what: string, cause: unknown): AfterimageError {
    if (this.options.signal?.aborted)
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
