// The text networks on our own engine: a detector and a recogniser, each a program on a runner of its own. Runs are
// made off Node's main thread, one after the other, and can be cancelled; their memory is predicted before they start.
import { createHash } from 'node:crypto';
import { AfterimageError } from '../errors.js';
import type { RgbImage } from '../image/rgb-image.js';
import { readConverted } from '../models/readers/converted.js';
import type { ImageProgram } from '../models/readers/image-graph.js';
import type { loadBundledReader, loadHubReader, PixelNorm, ReaderModel } from '../models/readers/load.js';
import { LINE_HEIGHT, STEP_COLUMNS } from '../models/readers/networks.js';
import { workers } from '../workers/pool.js';
import { createRunner, type BackendName, type Precision, type Runner, type RunnerRequest } from './native.js';
import type { RecognisedSteps, TextNetworks } from './text-networks.js';

export interface ReaderOptions {
  /** Holds a detector and a recogniser of the hub, each in a folder; absent: the bundled PP-OCRv4. */
  folder?: string;
  precision?: Precision;
  backend?: BackendName;
  /** 0 or absent: all physical cores. */
  threads?: number;
  /** Most bytes of scratch that a run may need; what needs more is refused. */
  scratchBytes?: number;
}

const SCRATCH_BYTES = 1 << 29;
const DETECTOR_STEP = 32;
/** Columns of crops in one run: enough to occupy every thread, few enough to stay in a cache and to cancel soon. */
const RUN_COLUMNS = 4096;

const loadBundled = workers.job<typeof loadBundledReader>(
  import.meta.url,
  '../models/readers/load',
  'loadBundledReader',
);

const loadHub = workers.job<typeof loadHubReader>(import.meta.url, '../models/readers/load', 'loadHubReader');

/** @throws AfterimageError MODEL_NOT_FOUND, INVALID_CHECKPOINT, NATIVE_MISSING, OUT_OF_MEMORY */
export async function openReader(options: ReaderOptions = {}): Promise<TextNetworks> {
  const model = await (options.folder === undefined ? openBundled() : loadHub(options.folder));
  const [detector, recogniser] = await bothOpened(
    ImageRunner.open(model.detector, options),
    ImageRunner.open(model.recogniser, options),
  );
  return new ReaderEngine(model, detector, recogniser, options);
}

/** Sources that were not built convert it each time. */
async function openBundled(): Promise<ReaderModel> {
  return (await readConverted()) ?? (await loadBundled(undefined));
}

/** Neither stays open where the other could not be. */
async function bothOpened(
  ...opening: [Promise<ImageRunner>, Promise<ImageRunner>]
): Promise<[ImageRunner, ImageRunner]> {
  try {
    return await Promise.all(opening);
  } catch (error) {
    for (const outcome of await Promise.allSettled(opening))
      if (outcome.status === 'fulfilled') await outcome.value.close();
    throw error;
  }
}

class ReaderEngine implements TextNetworks {
  readonly #detector: ImageRunner;
  readonly #recogniser: ImageRunner;

  readonly identity: string;
  readonly name: string;
  readonly characters: string[];

  constructor(
    model: ReaderModel,
    detector: ImageRunner,
    recogniser: ImageRunner,
    { precision = 'exact' }: ReaderOptions,
  ) {
    this.#detector = detector;
    this.#recogniser = recogniser;

    this.characters = model.characters;
    this.name = model.name;
    const parts = [model.digest, precision, detector.identity, recogniser.identity];
    this.identity = createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  }

  async detect(image: RgbImage, signal?: AbortSignal): Promise<Float32Array> {
    checkImage(image, `sides that are multiples of ${DETECTOR_STEP}`, (width, height) => {
      return width % DETECTOR_STEP === 0 && height % DETECTOR_STEP === 0;
    });
    return (await this.#detector.run([image], {}, signal))['probabilities']!.data;
  }

  async recognise(crops: RgbImage[], signal?: AbortSignal): Promise<RecognisedSteps[]> {
    for (const crop of crops)
      checkImage(
        crop,
        `${LINE_HEIGHT} rows and a width that is a multiple of ${STEP_COLUMNS}`,
        (width, height) => {
          return width % STEP_COLUMNS === 0 && height === LINE_HEIGHT;
        },
      );
    const results: RecognisedSteps[] = [];
    for (const group of grouped(crops)) results.push(...(await this.#recogniseGroup(group, signal)));
    return results;
  }

  async close(): Promise<void> {
    await Promise.all([this.#detector.close(), this.#recogniser.close()]);
  }

  async #recogniseGroup(crops: RgbImage[], signal?: AbortSignal): Promise<RecognisedSteps[]> {
    const ends = [0];
    for (const { width } of crops) ends.push(ends.at(-1)! + width / STEP_COLUMNS);
    const segments = { data: Int32Array.from(ends), rows: ends.length };
    const { data } = (await this.#recogniser.run(crops, { segments }, signal))['steps']!;
    return crops.map((_, i) => {
      const steps = data.subarray(2 * ends[i]!, 2 * ends[i + 1]!);
      const count = steps.length / 2;
      return {
        classes: Int32Array.from({ length: count }, (_, s) => steps[2 * s]!),
        probabilities: Float32Array.from({ length: count }, (_, s) => steps[2 * s + 1]!),
      };
    });
  }
}

/** A program whose input is images, and its runner. */
export class ImageRunner {
  readonly #runner: Runner;
  readonly #source: ImageProgram & { pixels: PixelNorm };
  readonly #scratchBytes: number;
  /** What its bits depend on beside weights and precision. */
  readonly identity: string;

  #tickets = 0;
  #closed = false;

  private constructor(
    runner: Runner,
    source: ImageProgram & { pixels: PixelNorm },
    scratchBytes: number,
    /** What its bits depend on beside weights and precision. */
    identity: string,
  ) {
    this.#runner = runner;
    this.#source = source;
    this.#scratchBytes = scratchBytes;
    this.identity = identity;
  }

  static async open(
    source: ImageProgram & { pixels: PixelNorm },
    { precision = 'exact', backend = 'cpu', threads = 0, scratchBytes = SCRATCH_BYTES }: ReaderOptions,
  ): Promise<ImageRunner> {
    const program = JSON.stringify(source.program);
    const { weights } = source;
    const runner = await createRunner({
      ...(typeof weights === 'string' ? { files: [weights] } : { files: [], weights }),
      program,
      precision,
      kvType: 'f16',
      threads,
      backend,
    });
    return new ImageRunner(runner, source, scratchBytes, `${runner.identity} ${program}`);
  }

  async run(
    images: RgbImage[],
    inputs: RunnerRequest['inputs'],
    signal?: AbortSignal,
  ): ReturnType<Runner['run']> {
    signal?.throwIfAborted();
    if (this.#closed) throw new AfterimageError('CLOSED', 'The text reader is closed; open it again.');
    const pixels = images.reduce((sum, { width, height }) => sum + width * height, 0);
    await this.#admit({ pixels, images: images.length, bounds: images.length + 1 });
    signal?.throwIfAborted();
    const ticket = ++this.#tickets;
    const cancel = (): void => this.#runner.cancel(ticket);
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await this.#runner.run({ inputs: { ...inputs, ...this.#imageInputs(images, pixels) }, ticket });
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#runner.close();
  }

  async #admit(counts: Record<string, number>): Promise<void> {
    const needed = await this.#runner.predictBytes(counts);
    if (needed <= this.#scratchBytes) return;
    const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
    throw new AfterimageError(
      'OUT_OF_MEMORY',
      `Reading this picture in one piece needs ${mib(needed)}, more than the ${mib(this.#scratchBytes)} it may have; read it in smaller pieces.`,
    );
  }

  #imageInputs(images: RgbImage[], pixels: number): RunnerRequest['inputs'] {
    const { mean, deviation } = this.#source.pixels;
    const sizes = this.#source.tables.map(({ name, step }) => {
      const data = Int32Array.from(
        images.flatMap(({ width, height }) =>
          step === 'whole' ? [1, 1] : [height / step[0], width / step[1]],
        ),
      );
      return [name, { data, rows: images.length }] as const;
    });
    return {
      ...Object.fromEntries(sizes),
      pixel_values: {
        data: joined(images, pixels),
        rows: pixels,
        scale: deviation.map((d) => 1 / (255 * d)),
        offset: mean.map((m, c) => -m / deviation[c]!),
      },
    };
  }
}

function joined(images: RgbImage[], pixels: number): Uint8Array {
  if (images.length === 1) return images[0]!.data;
  const all = new Uint8Array(pixels * 3);
  let at = 0;
  for (const { data } of images) {
    all.set(data, at);
    at += data.length;
  }
  return all;
}

/** In the order given, as many as fit a run; a wider one runs alone. */
function grouped(crops: RgbImage[]): RgbImage[][] {
  const groups: RgbImage[][] = [];
  let columns = Infinity;
  for (const crop of crops) {
    if (columns + crop.width > RUN_COLUMNS) {
      groups.push([]);
      columns = 0;
    }
    groups.at(-1)!.push(crop);
    columns += crop.width;
  }
  return groups;
}

function checkImage(
  { width, height, data }: RgbImage,
  wanted: string,
  fits: (width: number, height: number) => boolean,
): void {
  if (width > 0 && height > 0 && data.length === width * height * 3 && fits(width, height)) return;
  throw new RangeError(
    `Expected RGB pixels with ${wanted} but received ${data.length} bytes of ${width} x ${height}`,
  );
}
