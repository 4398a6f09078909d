// A native engine over a random checkpoint, as the benchmarks drive it.
import type {
  NativeEngine,
  NativeGenerateOptions,
  NativePrompt,
  NativeResult,
} from '../src/engine/native-engine.js';
import { programsOf } from '../src/engine/native-options.js';
import { loadAddon, type KvType, type Precision } from '../src/engine/native.js';
import type { Checkpoint } from '../src/models/checkpoint/checkpoint.js';
import type { Model } from '../src/models/family.js';
import { familyOf } from '../src/models/registry.js';
import type { SyntheticImage } from './synthetic-prompt.js';

export interface BenchOptions {
  checkpoint: Checkpoint;
  precision: Precision;
  kvType: KvType;
  threads: number;
  diskFolder?: string;
  kvBytes?: number;
}

const GIB = 2 ** 30;

export class BenchModel {
  readonly model: Model;
  readonly engine: NativeEngine;
  loadMs = 0;
  backend = '';

  constructor(options: BenchOptions) {
    this.model = familyOf(options.checkpoint).build(options.checkpoint);
    this.engine = new (loadAddon().Engine)({
      backend: 'cpu',
      threads: options.threads,
      precision: options.precision,
      kvType: options.kvType,
      chunkRows: 256,
      budgets: { kvBytes: options.kvBytes ?? 4 * GIB, featureBytes: GIB, scratchBytes: 4 * GIB },
      disk: { folder: options.diskFolder ?? '', maxBytes: 8 * GIB, maxAgeSeconds: 86400 },
      ...programsOf(options.checkpoint, this.model),
    });
  }

  async load(): Promise<void> {
    const start = performance.now();
    this.backend = (await this.engine.load(() => {})).backend;
    this.loadMs = performance.now() - start;
  }

  /**
   * Greedy, never stops early. `firstTokenMs` counts from the call, preprocessing included.
   * @param choices Weighed instead of an answer.
   * @param stopAfter Tokens after which the answer is cancelled: a few more may come.
   */
  async ask(
    prompt: NativePrompt,
    images: SyntheticImage[],
    maxTokens: number,
    choices: Int32Array[] = [],
    more: Partial<NativeGenerateOptions> = {},
    stopAfter = Infinity,
  ): Promise<NativeResult & { firstTokenMs: number }> {
    const start = performance.now();
    const { request, plan } = this.engine.begin(prompt, { maxTokens, lowPriority: false, choices });
    for (const key of (await plan).needed) {
      const found = images.find((image) => Buffer.compare(image.key, key) === 0);
      if (!found) throw new Error('The plan asks for an image that is not part of the prompt.');
      await this.engine.encode(request, key, this.model.processor.inputs(found.image, found.plan));
    }
    let firstTokenMs = 0;
    let tokens = 0;
    const result = await this.engine.generate(
      request,
      {
        temperature: 0,
        topK: 0,
        topP: 1,
        minP: 0,
        repetitionPenalty: 1,
        seed: 0,
        stopIds: new Int32Array(0),
        captureLogits: false,
        weighTokens: false,
        draft: false,
        ...more,
      },
      (ids) => {
        if (firstTokenMs === 0) firstTokenMs = performance.now() - start;
        if ((tokens += ids.length) >= stopAfter) this.engine.cancel(request);
      },
      () => {},
    );
    return { ...result, firstTokenMs };
  }
}
