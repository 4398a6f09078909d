// A hub on loopback, with its storage on another port: lists, redirects, ranges, and whatever may go wrong.
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Fault = (request: IncomingMessage, response: ServerResponse) => boolean;

interface Stored {
  content: Buffer;
  /** Served in place of the listed content. */
  served?: Buffer;
  large: boolean;
}

export const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');
export const blobId = (content: Buffer): string =>
  createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');

export class LoopbackHub {
  readonly files = new Map<string, Stored>();
  readonly requests: {
    where: 'hub' | 'storage';
    method: string;
    url: string;
    range?: string;
    token?: string;
  }[] = [];
  /** Asked before anything is answered, the oldest first; one that returns true has answered and is gone. */
  readonly hubFaults: Fault[] = [];
  readonly storageFaults: Fault[] = [];
  commit = 'a'.repeat(40);
  listsHashes = true;
  listsBlobIds = true;
  /** What the hub says of GGUF files. */
  gguf: { architecture: string } | undefined;
  endpoint = '';
  #storage = '';
  readonly #servers: Server[] = [];

  constructor() {
    this.put('config.json', Buffer.from('{"model_type":"qwen2_vl"}'));
    this.put('tokenizer.json', Buffer.from('{"version":"1.0"}'));
    this.put('model.safetensors', randomBytes(300_000));
  }

  put(name: string, content: Buffer, served?: Buffer): void {
    this.files.set(name, { content, served, large: /\.(safetensors|gguf)$/.test(name) });
  }

  get weights(): Buffer {
    return this.files.get('model.safetensors')!.content;
  }

  /** Ranges asked of the storage; undefined for a whole file. */
  get ranges(): (string | undefined)[] {
    return this.requests.filter(({ where }) => where === 'storage').map(({ range }) => range);
  }

  async start(): Promise<this> {
    // Another name as well: Hugging Face's library follows the hub's redirects within a host itself.
    this.#storage = (await this.#listen((request, response) => this.#store(request, response))).replace(
      '127.0.0.1',
      'localhost',
    );
    this.endpoint = await this.#listen((request, response) => this.#answer(request, response));
    return this;
  }

  close(): void {
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
    }
  }

  async #listen(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
    const server = createServer(answer);
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  #note(where: 'hub' | 'storage', { method, url, headers }: IncomingMessage): void {
    this.requests.push({
      where,
      method: method!,
      url: url!,
      range: headers.range,
      token: headers.authorization,
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.#note('hub', request);
    if (faulty(this.hubFaults, request, response)) return;
    const url = request.url!;
    if (/^\/api\/models\/org\/model(\/revision\/|$|\?)/.test(url))
      return void response.end(JSON.stringify(this.#list()));
    if (url.startsWith('/api/models/org/model/tree/')) return void response.end(JSON.stringify(this.#tree()));
    const name = decodeURIComponent(url.split(`/org/model/resolve/${this.commit}/`)[1] ?? '');
    const stored = this.files.get(name);
    if (!stored) return void response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
    const { content, large, served } = stored;
    response.setHeader('x-repo-commit', this.commit);
    if (!large) response.setHeader('content-length', (served ?? content).length);
    if (!large) return void response.setHeader('etag', `"${blobId(content)}"`).end(served ?? content);
    const headers = {
      location: `${this.#storage}/${name}?signature=${this.requests.length}`,
      'x-linked-etag': `"${sha256(content)}"`,
      'x-linked-size': content.length,
      'x-xet-hash': 'f'.repeat(64),
    };
    response.writeHead(302, headers).end();
  }

  #store(request: IncomingMessage, response: ServerResponse): void {
    this.#note('storage', request);
    if (faulty(this.storageFaults, request, response)) return;
    const { content, served = content } = this.files.get(request.url!.slice(1).split('?')[0]!)!;
    const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    // Large files come from elsewhere, whose headers say nothing of their hash.
    response.setHeader('etag', '"41a0f56472bad33498744818c8b1ef2c-64"');
    if (start >= served.length) return void response.writeHead(416).end();
    if (start > 0)
      response.setHeader('content-range', `bytes ${start}-${served.length - 1}/${served.length}`);
    response.writeHead(start > 0 ? 206 : 200).end(served.subarray(start));
  }

  /** The list that Hugging Face's own library asks for. */
  #tree(): object[] {
    return [...this.files].map(([path, { content, large }]) => ({
      type: 'file',
      path,
      size: content.length,
      oid: blobId(content),
      ...(large && { lfs: { oid: sha256(content), size: content.length, pointerSize: 134 } }),
    }));
  }

  #list(): object {
    const siblings = [...this.files].map(([rfilename, { content, large }]) => ({
      rfilename,
      size: content.length,
      ...(this.listsBlobIds && { blobId: blobId(content) }),
      ...(large &&
        this.listsHashes && { lfs: { sha256: sha256(content), size: content.length, pointerSize: 134 } }),
    }));
    return { id: 'org/model', sha: this.commit, siblings, gguf: this.gguf };
  }
}

function faulty(faults: Fault[], request: IncomingMessage, response: ServerResponse): boolean {
  if (!faults[0]?.(request, response)) return false;
  faults.shift();
  return true;
}

/** Answers once with a status. */
export const status =
  (code: number, headers: Record<string, string> = {}, body = ''): Fault =>
  (_, response) => {
    response.writeHead(code, headers).end(body);
    return true;
  };

/** For requests whose address has `part`. */
export const at =
  (part: string, fault: Fault): Fault =>
  (request, response) =>
    request.url!.includes(part) && fault(request, response);
