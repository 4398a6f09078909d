// The promise: a cached answer is bitwise the uncached one. Seeded random walks over real checkpoints (open, ask,
// append, swap, shorten, fork, cancel, evict, restart from disk, several at once) compare the logits of every sampled
// token with those of a cold engine that chunks and threads differently.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import {
  syntheticImage,
  syntheticPrompt,
  type Part,
  type SyntheticImage,
} from '../../bench/synthetic-prompt.js';
import type { NativeEngine, NativePrompt, NativeResult } from '../../src/engine/native-engine.js';
import { programsOf } from '../../src/engine/native-options.js';
import { loadAddon, type KvType, type Precision } from '../../src/engine/native.js';
import type { Model } from '../../src/models/family.js';
import { openModel } from '../../src/models/registry.js';
import { checkpointFolders } from '../goldens/checkpoints.js';

const STEPS = Number(process.env['AFTERIMAGE_BITWISE_STEPS'] ?? 40);
const ANSWER = 4;
const MIB = 2 ** 20;
const SIZES = [
  [56, 56],
  [56, 84],
  [56, 84],
  [90, 60],
] as const;

/** mulberry32 */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Setting {
  precision: Precision;
  kvType: KvType;
  chunkRows: number;
  threads: number;
  kvBytes: number;
  disk: string;
  /** Tokens are guessed, and every guess is run. */
  drafts: boolean;
}

class Subject {
  readonly model: Model;
  readonly native: NativeEngine;
  readonly #drafts: boolean;

  private constructor(model: Model, native: NativeEngine, drafts: boolean) {
    this.model = model;
    this.native = native;
    this.#drafts = drafts;
  }

  static async open(folder: string, setting: Setting): Promise<Subject> {
    const { checkpoint, model } = openModel(folder);
    const native = new (loadAddon().Engine)({
      backend: 'cpu',
      threads: setting.threads,
      precision: setting.precision,
      kvType: setting.kvType,
      chunkRows: setting.chunkRows,
      budgets: { kvBytes: setting.kvBytes, featureBytes: MIB, scratchBytes: 512 * MIB },
      disk: { folder: setting.disk, maxBytes: 64 * MIB, maxAgeSeconds: 3600 },
      ...programsOf(checkpoint, model),
    });
    await native.load(() => {});
    return new Subject(model, native, setting.drafts);
  }

  /** `cancelAfterMs`: the request is cancelled then, wherever it is; returns what it still says, or undefined. */
  async ask(
    prompt: NativePrompt,
    images: SyntheticImage[],
    cancelAfterMs?: number,
  ): Promise<NativeResult | undefined> {
    const { request, plan } = this.native.begin(prompt, {
      maxTokens: ANSWER,
      lowPriority: false,
      choices: [],
    });
    const timer =
      cancelAfterMs === undefined ? undefined : setTimeout(() => this.native.cancel(request), cancelAfterMs);
    try {
      for (const key of (await plan).needed) {
        const image = images.find((candidate) => Buffer.compare(candidate.key, key) === 0)!;
        await this.native.encode(request, key, this.model.processor.inputs(image.image, image.plan));
      }
      return await this.native.generate(
        request,
        {
          temperature: 0,
          topK: 0,
          topP: 1,
          minP: 0,
          repetitionPenalty: 1,
          seed: 0,
          stopIds: new Int32Array(0),
          captureLogits: true,
          weighTokens: false,
          ...(this.#drafts ? { draft: true, draftPrice: 1e-6 } : { draft: false }),
        },
        () => {},
        () => {},
      );
    } catch (error) {
      if ((error as { code?: string }).code === 'CANCELLED') return undefined;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

function digest(result: NativeResult): string {
  const hash = createHash('sha256');
  for (const row of result.logits) hash.update(new Uint8Array(row.buffer, row.byteOffset, row.byteLength));
  return hash.digest('hex');
}

/** A family whose smallest image has thousands of patches walks less far, so that the walks stay equally long. */
function stepsOf({ processor }: Model): number {
  const [width, height] = SIZES[0]!;
  return processor.plan(width!, height!).symbols['patches']! > 1000 ? Math.ceil(STEPS / 4) : STEPS;
}

class Walk {
  readonly #folder: string;
  readonly #setting: Setting;
  readonly #cold: Subject;

  #warm!: Subject;
  #sessions: { parts: Part[] }[] = [];
  readonly #expected = new Map<string, string>();
  readonly #next: () => number;
  readonly #pictures: SyntheticImage[];
  compared = 0;
  reused = 0;
  drafted = 0;
  accepted = 0;

  constructor(folder: string, setting: Setting, cold: Subject, seed: number) {
    this.#folder = folder;
    this.#setting = setting;
    this.#cold = cold;

    this.#next = random(seed);
    this.#pictures = SIZES.map(([width, height], i) => syntheticImage(cold.model, width, height, i + 1));
  }

  async run(steps: number): Promise<void> {
    this.#warm = await Subject.open(this.#folder, this.#setting);
    try {
      for (let step = 0; step < steps; step++) await this.#step(step);
      const stats = this.#warm.native.stats();
      await this.#warm.native.close();
      assert.equal(stats.blocksLeaked, 0);
    } finally {
      await this.#warm.native.close();
    }
  }

  async #step(step: number): Promise<void> {
    if (this.#sessions.length === 0) this.#sessions.push({ parts: this.#fresh() });
    const at = this.#pick(this.#sessions.length);
    const session = this.#sessions[at]!;
    const choice = this.#next();
    if (choice < 0.1) this.#sessions.push({ parts: this.#fresh() });
    else if (choice < 0.2) this.#sessions.push({ parts: [...session.parts] });
    else if (choice < 0.25 && this.#sessions.length > 1) this.#sessions.splice(at, 1);
    else if (choice < 0.32)
      await this.#warm.ask(this.#prompt(session.parts), this.#pictures, this.#next() * 4);
    else if (choice < 0.36) this.#warm.native.clearMemory();
    else if (choice < 0.39) await this.#restart();
    else if (choice < 0.5) await this.#together(step);
    else {
      session.parts = this.#changed(session.parts);
      await this.#compare(session, step);
    }
  }

  /** All sessions ask at the same time. */
  async #together(step: number): Promise<void> {
    await Promise.all(this.#sessions.slice(0, 3).map((session) => this.#compare(session, step)));
  }

  async #restart(): Promise<void> {
    await this.#warm.native.flushDisk();
    await this.#warm.native.close();
    this.#warm = await Subject.open(this.#folder, this.#setting);
  }

  async #compare({ parts }: { parts: Part[] }, step: number): Promise<void> {
    const prompt = this.#prompt(parts);
    const result = await this.#warm.ask(prompt, this.#pictures);
    assert.ok(result);
    assert.equal(
      digest(result),
      await this.#coldDigest(parts),
      `step ${step}: ${result.cache.promptTokensReused} of ${prompt.ids.length} tokens were reused`,
    );
    this.compared++;
    this.reused += result.cache.promptTokensReused;
    this.drafted += result.drafted;
    this.accepted += result.accepted;
  }

  async #coldDigest(parts: Part[]): Promise<string> {
    const key = JSON.stringify(
      parts.map((part) => ('text' in part ? [part.text, part.seed] : this.#pictures.indexOf(part.image))),
    );
    const known = this.#expected.get(key);
    if (known) return known;
    this.#cold.native.clearMemory();
    const result = await this.#cold.ask(this.#prompt(parts), this.#pictures);
    assert.equal(result!.cache.promptTokensReused, 0);
    this.#expected.set(key, digest(result!));
    return digest(result!);
  }

  #prompt(parts: Part[]): NativePrompt {
    const prompt = syntheticPrompt(this.#cold.model, parts);
    if (this.#cold.model.visibility === 'prefix') prompt.prefixLength = prompt.ids.length;
    return prompt;
  }

  #fresh(): Part[] {
    return [{ text: 5, seed: 1 }, this.#image(), this.#text()];
  }

  /** A later turn, another question, another image of the same or another size, an earlier state. */
  #changed(parts: Part[]): Part[] {
    const choice = this.#next();
    if (choice < 0.3 && parts.length < 7) return [...parts, this.#text()];
    if (choice < 0.45 && parts.length < 6) return [...parts, this.#image(), this.#text()];
    if (choice < 0.6) return [...parts.slice(0, -1), this.#text()];
    if (choice < 0.75)
      return parts.map((part) => ('image' in part && this.#next() < 0.5 ? this.#image() : part));
    if (choice < 0.9) return [...parts.slice(0, 1 + this.#pick(parts.length)), this.#text()];
    return this.#fresh();
  }

  #image(): Part {
    return { image: this.#pictures[this.#pick(this.#pictures.length)]! };
  }

  #text(): Part {
    return { text: 1 + this.#pick(90), seed: 1 + this.#pick(3) };
  }

  #pick(count: number): number {
    return Math.floor(this.#next() * count);
  }
}

for (const folder of checkpointFolders()) {
  describe(basename(folder), () => {
    for (const precision of ['exact', 'fast', 'faster'] as const) {
      for (const kvType of ['f16', 'q8'] as const) {
        test(`${precision}, KV ${kvType}`, async (t) => {
          const disk = mkdtempSync(join(tmpdir(), 'afterimage-bitwise-'));
          const kept = { kvBytes: 3 * MIB, disk };
          const setting: Setting = { precision, kvType, chunkRows: 23, threads: 2, ...kept, drafts: true };
          const cold = await Subject.open(folder, {
            ...setting,
            chunkRows: 256,
            threads: 1,
            disk: '',
            kvBytes: 64 * MIB,
            drafts: false,
          });
          try {
            const walk = new Walk(folder, setting, cold, 7);
            await walk.run(stepsOf(cold.model));
            t.diagnostic(
              `${walk.compared} answers compared, ${walk.reused} prompt tokens reused, ${walk.accepted} of ${walk.drafted} guesses right`,
            );
            assert.ok(walk.compared > 0);
          } finally {
            await cold.native.close();
            rmSync(disk, { recursive: true, force: true });
          }
        });
      }
    }
  });
}
