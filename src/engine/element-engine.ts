// The element classifier on our own engine. What it sees of a line does not depend on how many are seen at a time; what it
// says of it does on the lines beside it in its picture.
import { packageRoot } from '../package-root.js';
import { join } from 'node:path';
import {
  VIEW,
  type ContextLayers,
  type ElementModel,
  type loadElements,
} from '../models/readers/elements.js';
import { workers } from '../workers/pool.js';
import { together } from './element-context.js';
import type { Classified, ElementNetwork } from './text-networks.js';
import { ImageRunner, type ReaderOptions } from './reader-engine.js';

/** Lines in one run: enough for large strides, few enough to cancel soon. */
const RUN_LINES = 16;

const load = workers.job<typeof loadElements>(import.meta.url, '../models/readers/elements', 'loadElements');

/** @throws AfterimageError INVALID_CHECKPOINT, NATIVE_MISSING, OUT_OF_MEMORY */
export async function openElements(options: ReaderOptions = {}): Promise<ElementNetwork> {
  const model = await load(options.folder ?? join(packageRoot(), 'models', 'elements'));
  return new ElementEngine(model, await ImageRunner.open(model.classifier, options));
}

class ElementEngine implements ElementNetwork {
  readonly roles: string[];
  readonly states: string[];
  readonly colours: string[];
  readonly kinds: string[];
  readonly #together: ContextLayers;
  readonly #runner: ImageRunner;
  readonly #features: number;

  constructor(model: ElementModel, runner: ImageRunner) {
    this.roles = model.roles;
    this.states = model.states;
    this.colours = model.colours;
    this.kinds = model.kinds;
    this.#together = model.together;
    this.#features = model.features;
    this.#runner = runner;
  }

  async classify(views: Uint8Array, features: Float32Array, signal?: AbortSignal): Promise<Classified> {
    const bytes = VIEW.count * VIEW.width * VIEW.height * 3;
    const lines = views.length / bytes;
    const hidden: Float32Array[] = [];
    for (let at = 0; at < lines; at += RUN_LINES) {
      const end = Math.min(lines, at + RUN_LINES);
      const part = features.subarray(at * this.#features, end * this.#features);
      const seen = views.subarray(at * bytes, end * bytes);
      hidden.push(...(await this.#run(seen, part, end - at, signal)));
    }
    return together(hidden, this.#together);
  }

  close(): Promise<void> {
    return this.#runner.close();
  }

  async #run(
    views: Uint8Array,
    features: Float32Array,
    lines: number,
    signal?: AbortSignal,
  ): Promise<Float32Array[]> {
    const size = views.length / (lines * VIEW.count);
    const images = Array.from({ length: lines * VIEW.count }, (_, i) => ({
      width: VIEW.width,
      height: VIEW.height,
      data: views.subarray(i * size, (i + 1) * size),
    }));
    const inputs = { features: { data: features, rows: lines } };
    const { data } = (await this.#runner.run(images, inputs, signal))['hidden']!;
    const width = data.length / lines;
    return Array.from({ length: lines }, (_, i) => data.slice(i * width, (i + 1) * width));
  }
}
