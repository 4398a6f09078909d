// A picture of a request → the words that take its place: looked at and read by the tools, once for all requests that
// hold it, and kept.
import { createHash } from 'node:crypto';
import { describeImage } from '../../../tools/describe-image.js';
import { ocr } from '../../../tools/ocr.js';
import { runTool } from '../../ask/run-tool.js';
import type { Tool } from '../../ask/tool.js';
import type { ModelInfo } from '../../engine/engine.js';
import { AfterimageError } from '../../errors.js';
import { ByteLru } from '../../image/byte-lru.js';
import type { CarriedText } from '../../image/carried.js';
import { loadImages, registerAll, type ImageContext, type LoadedImage } from '../../image/load.js';
import { carriedData } from '../../image/pixel-jobs.js';
import { MOST_PAGES } from '../../image/pdf-pages.js';
import type { PictureShelf } from '../../image/shelf.js';
import { KeptFiles, sealed, unsealed } from '../../kept-files.js';
import type { App } from '../../mcp/app.js';
import { unlessAborted } from '../../unless-aborted.js';
import { packageVersion } from '../../version.js';
import { toShared } from '../../workers/shared-bytes.js';
import type { ImageBlock } from './image-blocks.js';
import { markerOf, wordsOf, WORDING } from './words.js';

const IN_MEMORY_BYTES = 16 * 2 ** 20;
const ON_DISK_BYTES = 16 * 2 ** 20;
/** A longer reference is data. */
const LONGEST_REFERENCE = 8192;
/** Which kind it really is, its own bytes say. */
const DATA_URI = toShared(Buffer.from('data:image/png;base64,'));

export function keptDescriptions(folder: string): KeptFiles {
  return new KeptFiles(folder, { suffix: '.description', mostBytes: ON_DISK_BYTES });
}

export interface Keeping {
  shelf: PictureShelf;
  descriptions: KeptFiles;
}

interface Running {
  words: Promise<string>;
  waiting: number;
  stop: AbortController;
}

export class Describer {
  readonly #app: App;
  readonly #keeping: Keeping | undefined;
  readonly #known = new ByteLru<string>(IN_MEMORY_BYTES);
  /** By key; given up when nobody waits for it any more. */
  readonly #running = new Map<string, Running>();

  /** @param keeping Absent: in memory only. */
  constructor(app: App, keeping?: Keeping) {
    this.#app = app;
    this.#keeping = keeping;
  }

  /**
   * The words; of a document those of its first pages, one after the other; of what is no picture, or none that may be
   * had, that it is not.
   * @param written The characters between the quotes, as they came.
   * @throws AfterimageError CANCELLED
   */
  async wordsFor(picture: ImageBlock['picture'], written: CarriedText, signal: AbortSignal): Promise<string> {
    let images: LoadedImage[];
    try {
      images = await this.#load(picture, written, signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof AfterimageError)) throw error;
      return markerOf(error);
    }
    const words: string[] = [];
    for (const image of images) {
      await this.#keeping?.shelf.put(image.imageId, image.bytes);
      words.push(await this.#wordsOf(image, signal));
    }
    return [...words, ...leftOut(images)].join('\n');
  }

  async #load(
    picture: ImageBlock['picture'],
    written: CarriedText,
    signal: AbortSignal,
  ): Promise<LoadedImage[]> {
    const { images } = this.#app;
    if ('kept' in picture) throw ofProvider(picture.kept);
    const length = written.reduce((sum, piece) => sum + piece.length, 0);
    if (picture.written === 'reference' && length <= LONGEST_REFERENCE) {
      const reference = JSON.parse(`"${Buffer.concat(written).toString('utf8')}"`) as string;
      return loadedAll(reference, images, signal);
    }
    const text = picture.written === 'base64' ? [DATA_URI, ...written] : written;
    const bytes = await carriedData({ text, limits: images.limits });
    if (!bytes) throw new AfterimageError('INVALID_ARGUMENT', 'It is no image data; send a data: URL.');
    return registerAll(bytes, 'The picture', images, signal);
  }

  async #wordsOf(image: LoadedImage, signal: AbortSignal): Promise<string> {
    const key = await this.#keyOf(image, signal);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const running = this.#running.get(key) ?? this.#begin(key, image);
    running.waiting++;
    try {
      return await unlessAborted(running.words, signal, gone);
    } finally {
      if (--running.waiting === 0) {
        running.stop.abort();
        this.#forget(key, running);
      }
    }
  }

  #begin(key: string, image: LoadedImage): Running {
    const stop = new AbortController();
    const words = this.#describe(key, image, stop.signal);
    const running = { words, waiting: 0, stop };
    this.#running.set(key, running);
    // Whoever waits for it hears of a failure.
    void words.catch(() => {}).finally(() => this.#forget(key, running));
    return running;
  }

  #forget(key: string, running: Running): void {
    if (this.#running.get(key) === running) this.#running.delete(key);
  }

  async #describe(key: string, image: LoadedImage, signal: AbortSignal): Promise<string> {
    const { imageId } = image;
    // The reader keeps what it read itself, and knows when it reads otherwise: what was seen is kept beside it.
    const read = await this.#told(ocr, imageId, signal);
    const place = hashOf([key, String(read)]);
    const kept = unsealed(await this.#keeping?.descriptions.get(place));
    const seen = kept ?? (await this.#told(describeImage, imageId, signal));
    const small = this.#app.engine.status().model?.bundled === true;
    const words = wordsOf(image, { seen, read, small });
    // What failed may succeed another time.
    if (typeof seen !== 'string' || typeof read !== 'string') return words;
    this.#known.set(key, words, words.length);
    if (kept === undefined) await this.#keeping?.descriptions.put(place, sealed(seen));
    return words;
  }

  async #told(tool: Tool, image: string, signal: AbortSignal): Promise<string | AfterimageError> {
    const call = { ...this.#app, signal, deadline: Infinity, onProgress: () => {} };
    try {
      const { structured } = await runTool(tool, { image }, call);
      return `${String(structured['answer']).trim()}${structured['truncated'] === true ? ' …' : ''}`;
    } catch (error) {
      if (signal.aborted || !(error instanceof AfterimageError)) throw error;
      return error;
    }
  }

  /** Another model says something else. How fast this machine is today is no reason for other words. */
  async #keyOf({ imageId, page }: LoadedImage, signal: AbortSignal): Promise<string> {
    const model = await unlessAborted(this.#model(), signal, gone);
    return hashOf([
      WORDING,
      packageVersion(),
      model?.identity ?? model?.name,
      imageId,
      ...(page ? [page] : []),
    ]);
  }

  /** Undefined where it cannot be had, which the tools tell. */
  async #model(): Promise<ModelInfo | undefined> {
    return this.#app.engine.ready().catch((error: unknown) => {
      if (error instanceof AfterimageError) return undefined;
      throw error;
    });
  }
}

/** Of a document whose pages are not named, the first ones. */
async function loadedAll(
  reference: string,
  images: ImageContext,
  signal: AbortSignal,
): Promise<LoadedImage[]> {
  const found = await loadImages(reference, images, { signal });
  const { page } = found[0]!;
  if (!page || page.of === 1 || found.length > 1 || /#pages?=/i.test(reference)) return found;
  return loadImages(reference, images, { page: `1-${Math.min(page.of, MOST_PAGES)}`, signal });
}

function leftOut(images: readonly LoadedImage[]): string[] {
  const page = images.at(-1)!.page;
  const more = images.length > 1 && page ? page.of - page.number : 0;
  return more > 0 ? [`(The document has ${more} more ${more === 1 ? 'page' : 'pages'}, not shown.)`] : [];
}

function hashOf(parts: unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 40);
}

function ofProvider(id: string): AfterimageError {
  const name = id === '' ? 'It' : `The file "${id.slice(0, 100)}"`;
  return new AfterimageError(
    'IMAGE_NOT_FOUND',
    `${name} is not in the request, only with the provider; send its data as a data: URL or as base64.`,
  );
}

function gone(): AfterimageError {
  return new AfterimageError('CANCELLED', 'The client has gone.');
}
