// What the door counts, as Prometheus reads it. No pixels, no prompts, no names of images.
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { Answer } from '../engine/engine.js';
import type { Models } from '../engine/models.js';

const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

export class Metrics {
  readonly #registry = new Registry();
  readonly #requests = new Counter({
    name: 'afterimage_requests_total',
    help: 'Requests by path and status.',
    labelNames: ['path', 'status'],
    registers: [this.#registry],
  });
  readonly #duration = new Histogram({
    name: 'afterimage_completion_seconds',
    help: 'From a request for a completion to its end.',
    buckets: SECONDS,
    registers: [this.#registry],
  });
  readonly #firstToken = new Histogram({
    name: 'afterimage_first_token_seconds',
    help: 'From a request for a completion to the first text.',
    buckets: SECONDS,
    registers: [this.#registry],
  });
  readonly #tokens = new Counter({
    name: 'afterimage_tokens_total',
    help: 'Tokens by kind: prompt and those of it from the cache, image and those of it from the cache, answer.',
    labelNames: ['kind'],
    registers: [this.#registry],
  });
  readonly #running = new Gauge({
    name: 'afterimage_completions_running',
    help: 'Completions begun and not ended.',
    registers: [this.#registry],
  });

  constructor(models: Models, statistics: () => Record<string, number>) {
    collectDefaultMetrics({ register: this.#registry });
    const engine = new Gauge({
      name: 'afterimage_engine',
      help: 'Counters and sizes of the engine, by name.',
      labelNames: ['counter'],
      registers: [this.#registry],
      collect: () => {
        for (const [counter, value] of Object.entries(statistics())) engine.set({ counter }, value);
      },
    });
    const loaded = new Gauge({
      name: 'afterimage_model_loaded',
      help: '1 for a model that can answer now.',
      labelNames: ['model'],
      registers: [this.#registry],
      collect: () => {
        loaded.reset();
        for (const { name, state } of models.list()) loaded.set({ model: name }, state === 'ready' ? 1 : 0);
      },
    });
  }

  request(path: string, status: number): void {
    this.#requests.inc({ path, status: String(status) });
  }

  /** @returns what is to be called at the first text and at the end, once each. */
  completion(): { firstText(): void; ended(answer?: Answer): void } {
    this.#running.inc();
    const begun = performance.now();
    const seconds = (): number => (performance.now() - begun) / 1000;
    return {
      firstText: () => this.#firstToken.observe(seconds()),
      ended: (answer) => {
        this.#running.dec();
        this.#duration.observe(seconds());
        if (answer) this.#count(answer);
      },
    };
  }

  async text(): Promise<{ type: string; text: string }> {
    return { type: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  close(): void {
    this.#registry.clear();
  }

  #count({ cache, tokenIds, tokens = tokenIds.length }: Answer): void {
    const kinds = {
      prompt: cache.prompt_tokens,
      prompt_cached: cache.prompt_tokens_reused,
      image: cache.image_tokens,
      image_cached: cache.image_tokens_reused,
      answer: tokens,
    };
    for (const [kind, count] of Object.entries(kinds)) if (count) this.#tokens.inc({ kind }, count);
  }
}
