// The engine on this machine: loads the model once, in the background, and hands out sessions.
import { AfterimageError } from '../errors.js';
import { unlessAborted } from '../unless-aborted.js';
import type {
  AskOptions,
  Engine,
  EngineStatus,
  KeptBranch,
  KeptTree,
  ModelInfo,
  Progress,
} from './engine.js';
import type { ImageInput } from '../image/rgb-image.js';
import { readLabel } from './kept-label.js';
import type { LoadedModel } from './loaded-model.js';
import { LocalSession } from './local-session.js';
import { fromNative } from './native.js';
import type { NativeEngine } from './native-engine.js';
import type { LocalEngineOptions } from './native-options.js';
import { warm } from './warm.js';

/** A person looks at them. */
const MOST_BRANCHES = 300;

export class LocalEngine implements Engine {
  readonly #options: LocalEngineOptions;

  #state: EngineStatus['state'] = 'idle';
  #loading: Promise<LoadedModel> | undefined;
  #model: LoadedModel | undefined;
  readonly #sessions = new Set<LocalSession>();
  readonly #closing = new AbortController();
  /** Heard while the model loads. */
  readonly #listeners = new Set<(progress: Progress) => void>();

  /** Nothing is opened before the first question, `ready` or `warm`. */
  constructor(options: LocalEngineOptions = {}) {
    this.#options = options;
  }

  async ready(onProgress?: (progress: Progress) => void): Promise<ModelInfo> {
    return (await this.#loaded(onProgress)).info;
  }

  open(): LocalSession {
    if (this.#state === 'closed') throw closedError();
    const session = new LocalSession({
      ready: ({ onProgress, signal }) => unlessAborted(this.#loaded(onProgress), signal, stoppedLoading),
      forget: (closed) => this.#sessions.delete(closed),
      fork: () => this.open(),
    });
    this.#sessions.add(session);
    return session;
  }

  async warm(images: ImageInput[], signal?: AbortSignal): Promise<void> {
    const model = await this.#loaded();
    try {
      await warm(model, images, signal);
    } catch (error) {
      throw fromNative(error);
    }
  }

  status(): EngineStatus {
    const counters = this.#model && this.#state === 'ready' ? this.#model.native.stats() : {};
    const cache = Object.fromEntries(
      Object.entries(counters).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
    );
    const { budgets } = this.#model ?? {};
    return {
      model: this.#model?.info ?? null,
      state: this.#state,
      sessions: this.#sessions.size,
      cache,
      ...(budgets && { budgets }),
    };
  }

  async tree(): Promise<KeptTree | null> {
    if (!this.#model || this.#state !== 'ready') return null;
    try {
      const { branches, more } = await this.#model.native.tree(MOST_BRANCHES);
      return { branches: branches.map(keptBranch), more };
    } catch (error) {
      throw fromNative(error);
    }
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    for (const session of [...this.#sessions]) session.close();
    this.#closing.abort();
    const model = await this.#loading?.catch(() => undefined);
    await model?.close();
  }

  /** One load for all who wait. A failed load is tried again by the next question. */
  async #loaded(onProgress?: AskOptions['onProgress']): Promise<LoadedModel> {
    if (this.#state === 'closed') throw closedError();
    if (this.#model) return this.#model;
    if (onProgress) this.#listeners.add(onProgress);
    try {
      this.#loading ??= this.#load();
      return await this.#loading;
    } finally {
      if (onProgress) this.#listeners.delete(onProgress);
    }
  }

  async #load(): Promise<LoadedModel> {
    this.#state = 'loading';
    try {
      const tell = (progress: Progress): void => this.#listeners.forEach((listener) => listener(progress));
      // Whoever only reads text never needs it.
      const { loadModel } = await import('./load-model.js');
      const model = await loadModel(this.#options, tell, this.#closing.signal);
      if ((this.#state as EngineStatus['state']) === 'closed') {
        await model.close();
        throw closedError();
      }
      this.#state = 'ready';
      this.#model = model;
      return model;
    } catch (error) {
      this.#loading = undefined;
      if ((this.#state as EngineStatus['state']) === 'closed') throw closedError();
      this.#state = 'failed';
      throw fromNative(error);
    }
  }
}

type NativeBranch = Awaited<ReturnType<NativeEngine['tree']>>['branches'][number];

function keptBranch({ parent, tokens, bytes, memory, disk, labels }: NativeBranch): KeptBranch {
  return {
    ...(parent >= 0 && { parent }),
    tokens,
    bytes,
    where: memory ? (disk ? 'both' : 'memory') : 'disk',
    images: labels.map((label) => readLabel(label)?.image_id ?? ''),
  };
}

/** Loading goes on for those who come later. */
export function stoppedLoading(): AfterimageError {
  return new AfterimageError('CANCELLED', 'The question was cancelled while the model was loading.');
}

function closedError(): AfterimageError {
  return new AfterimageError('CLOSED', 'The engine is closed.');
}
