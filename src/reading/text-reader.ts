// A picture → its text with places. The networks see pixels; what they say becomes lines here, in order, and is kept.
// What is read depends on the picture alone: not on what was read before, nor on what else is being read.
import { AfterimageError } from '../errors.js';
import { cutLines, findComponents, type CutLine } from '../engine/text-lines.js';
import type { RecognisedSteps, TextNetworks } from '../engine/text-networks.js';
import type { ImageInput, RgbImage } from '../image/rgb-image.js';
import type { Size } from '../image/region.js';
import { scriptDigest } from '../script-digest.js';
import { workers } from '../workers/pool.js';
import { toShared } from '../workers/shared-bytes.js';
import { readLineText, type LineText } from './line-text.js';
import { placeLine } from './placed-lines.js';
import { boundsOf } from './quad.js';
import { ReadingCache } from './reading-cache.js';
import { boundsOfRegion, type Reader, type Reading, type ReadLine, type ReadOptions } from './reading.js';
import { isWhole, mergeTiles, planTiles } from './tiles.js';
import { THRESHOLD, type TextBox } from './text-boxes.js';
import { median } from './line-metrics.js';

const prepareTile = workers.job<typeof import('./pixel-work.js').prepareTile>(
  import.meta.url,
  './pixel-work',
  'prepareTile',
);
// Of hundreds of lines these take longer than this thread may be kept.
const toTextBoxes = workers.job<typeof import('./text-boxes.js').toTextBoxes>(
  import.meta.url,
  './text-boxes',
  'toTextBoxes',
);
const readingOrder = workers.job<typeof import('./reading-order.js').readingOrder>(
  import.meta.url,
  './reading-order',
  'readingOrder',
);

/** Lines whose boxes are lower than this, in pixels, are looked for again in the picture at twice its size. */
const SMALL_BOX = 13;
/** Lines cut and recognised at a time: enough for the engine to work in large strides, few enough to cancel soon. */
const GROUP = 12;
/** Lines that are known before they are cut: those of the last screens. */
const KNOWN_LINES = 1024;

export class TextReader implements Reader {
  readonly #open: () => Promise<TextNetworks>;
  readonly #folder: string | undefined;
  #opened: Promise<Opened> | undefined;
  #closed = false;
  /** Pictures are read one after the other: each alone has the whole machine. */
  #turn: Promise<unknown> = Promise.resolve();

  /** @param folder Where readings are kept beyond this process. */
  constructor(open: () => Promise<TextNetworks>, folder?: string) {
    this.#open = open;
    this.#folder = folder;
  }

  async begin(): Promise<void> {
    await this.#ready();
  }

  async read(image: ImageInput, options: ReadOptions = {}): Promise<Reading> {
    const known = await (await this.#ready()).cache.picture(image.pixelHash);
    if (known) return known;
    // Nobody else waits for pixels that another program may never send.
    const landed = image.owed ? await image.pixels() : undefined;
    const before = this.#turn;
    const reading = (async () => {
      await before.catch(() => {});
      throwIfAborted(options.signal);
      const opened = await this.#ready();
      const kept = await opened.cache.picture(image.pixelHash);
      if (kept) return kept;
      const fresh = await readPicture(landed ?? (await image.pixels()), opened, options);
      await opened.cache.keepPicture(image, fresh);
      return fresh;
    })();
    this.#turn = reading;
    return reading;
  }

  /** A failed opening is tried again by the next picture. */
  #ready(): Promise<Opened> {
    if (this.#closed) throw new AfterimageError('CLOSED', 'The text reader is closed.');
    this.#opened ??= this.#openAll().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  async #openAll(): Promise<Opened> {
    const folder = this.#folder;
    // In this process the scripts stay what they are.
    const scripts = folder === undefined ? '' : scriptDigest('lines');
    const networks = await this.#open();
    return {
      networks,
      cache: new ReadingCache(`${scripts}\n${networks.identity}`, networks.name, folder),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#turn.catch(() => {});
    const opened = await this.#opened?.catch(() => undefined);
    await opened?.networks.close();
  }
}

interface Opened {
  networks: TextNetworks;
  cache: ReadingCache;
}

async function readPicture(pixels: RgbImage, opened: Opened, options: ReadOptions): Promise<Reading> {
  const picture = { ...pixels, data: toShared(pixels.data) };
  options.onProgress?.(0);
  const boxes = await detect(picture, opened.networks, options.signal);
  const lines: ReadLine[] = [];
  const known = opened.cache.lastLines(KNOWN_LINES);
  for await (const { at, cuts } of cutInGroups(picture, boxes, known)) {
    options.onProgress?.(at, boxes.length);
    lines.push(...(await recognise(cuts, opened, known, picture, options.signal)));
  }
  options.onProgress?.(boxes.length, boxes.length);
  return inOrder(lines, picture, options.signal);
}

/** While a group is recognised the next one is being cut. */
async function* cutInGroups(
  picture: RgbImage,
  boxes: TextBox[],
  known: ReadonlyMap<string, unknown>,
): AsyncGenerator<{ at: number; cuts: CutLine[][] }> {
  const cutAt = (at: number): Promise<CutLine[][]> => {
    const cuts = cutLines(picture, boxes.slice(at, at + GROUP), known.keys());
    // Whoever takes it hears of what was wrong; where recognising fails first, nobody takes it.
    cuts.catch(() => {});
    return cuts;
  };
  if (boxes.length === 0) return;
  let next = cutAt(0);
  for (let at = 0; at < boxes.length; at += GROUP) {
    const cuts = await next;
    if (at + GROUP < boxes.length) next = cutAt(at + GROUP);
    yield { at, cuts };
  }
}

async function detect(picture: RgbImage, networks: TextNetworks, signal?: AbortSignal): Promise<TextBox[]> {
  const boxes = await detectAt(picture, 1, networks, signal);
  const heights = boxes.map(({ quad }) => boundsOf(quad).bottom - boundsOf(quad).top);
  if (heights.length === 0 || median(heights) >= SMALL_BOX) return boxes;
  return detectAt(picture, 2, networks, signal);
}

async function detectAt(
  picture: RgbImage,
  scale: number,
  networks: TextNetworks,
  signal?: AbortSignal,
): Promise<TextBox[]> {
  const seen = [];
  for (const tile of planTiles(picture, scale)) {
    throwIfAborted(signal);
    const image = isWhole(tile, picture, scale)
      ? picture
      : await prepareTile({ picture, tile, scale }, { signal });
    const map = await networks.detect(image, signal);
    const components = await findComponents(map, image.width, image.height, THRESHOLD);
    const found = await toTextBoxes(components, { signal });
    const boxes = found.map((box) => ({
      ...box,
      quad: box.quad.map(({ x, y }) => ({
        x: tile.x + x / scale,
        y: tile.y + y / scale,
      })) as never as TextBox['quad'],
    }));
    seen.push({ tile, boxes });
  }
  return mergeTiles(seen, picture);
}

/** The lines of some boxes; of several ways to look at one, the one that reads best. */
async function recognise(
  cuts: CutLine[][],
  { networks, cache }: Opened,
  known: ReadonlyMap<string, LineText[]>,
  picture: Size,
  signal?: AbortSignal,
): Promise<ReadLine[]> {
  throwIfAborted(signal);
  const fresh = [...new Map(cuts.flat().map((cut) => [cut.hash, cut])).values()].flatMap(({ hash, view }) =>
    view && !cache.line(hash) ? [{ hash, ...view }] : [],
  );
  const steps: RecognisedSteps[] =
    fresh.length > 0
      ? await networks.recognise(
          fresh.map(({ crop }) => crop),
          signal,
        )
      : [];
  const read = new Map(
    fresh.map(({ hash, ink }, at) => [hash, readLineText(ink, steps[at]!, networks.characters)]),
  );
  for (const [hash, pieces] of read) cache.keepLine(hash, pieces);
  return cuts.flatMap((ways) => {
    const tried = ways.map((cut) => ({
      cut,
      pieces: cache.line(cut.hash) ?? read.get(cut.hash) ?? known.get(cut.hash)!,
    }));
    const best = tried.reduce((a, b) => (certainty(b.pieces) > certainty(a.pieces) ? b : a));
    return best.pieces.map((piece) => placeLine(piece, best.cut.placement, picture));
  });
}

function certainty(pieces: LineText[]): number {
  const count = pieces.reduce((sum, { characters }) => sum + characters.length, 0);
  const sum = pieces.reduce((total, { confidence, characters }) => total + confidence * characters.length, 0);
  return count === 0 ? 0 : sum / count;
}

async function inOrder(lines: ReadLine[], { width, height }: Size, signal?: AbortSignal): Promise<Reading> {
  const placed = lines.map(({ box, text }) => ({ bounds: boundsOfRegion(box), text }));
  const rows = await readingOrder(placed, { signal });
  let next = 0;
  return {
    width,
    height,
    lines: rows.flat().map((at) => lines[at]!),
    rows: rows.map((row) => row.map(() => next++)),
  };
}

function throwIfAborted(signal?: AbortSignal): void {
  if (signal?.aborted) throw new AfterimageError('CANCELLED', 'Reading the picture was cancelled.');
}
