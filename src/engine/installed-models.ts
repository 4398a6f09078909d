// All models that are installed, by name: each is loaded when it is first asked, and stays as long as there is memory;
// where the next one finds too little, the one that was asked least lately leaves. Nobody is interrupted for that.
import { randomBytes } from 'node:crypto';
import { AfterimageError } from '../errors.js';
import { unlessAborted } from '../unless-aborted.js';
import type { ImageInput } from '../image/rgb-image.js';
import type { Message } from '../prompt/message.js';
import type {
  Answer,
  AskOptions,
  Engine,
  EngineStatus,
  KeptTree,
  ModelInfo,
  Progress,
  Session,
} from './engine.js';
import { stoppedLoading } from './local-engine.js';
import { isCancellation, unanswered } from './local-session.js';
import { ANY, type Models, type ServedModel } from './models.js';
import { usableMemory, type UsableMemory } from './usable-memory.js';

export interface Installed {
  /** @param name Absent: the model that is meant where none is named, as of now. @throws AfterimageError MODEL_NOT_FOUND */
  find(name?: string): string;
  nameOf(folder: string): string;
  /** Names that `find` knows. */
  names(): string[];
  /** An engine that loads the folder when it is asked, within what memory there is then. */
  open(folder: string, memory: () => UsableMemory): Engine;
}

interface Held {
  folder: string;
  engine: Engine;
  /** Calls that are using it. */
  busy: number;
  usedAt: number;
}

export class InstalledModels implements Models {
  /** Whatever is meant where no model is named, also when that changes. */
  readonly usual: Engine;
  readonly #installed: Installed;
  readonly #held = new Map<string, Held>();
  /** One for each folder, so that whoever compares them sees one engine. */
  readonly #views = new Map<string, View>();
  /** One after the other: what a load may take is what is left when it begins. */
  #loads: Promise<unknown> = Promise.resolve();
  #clock = 0;
  #closed = false;

  constructor(installed: Installed) {
    this.#installed = installed;
    this.usual = new View(this, () => installed.find());
  }

  async engine(name?: string): Promise<Engine> {
    if (name === undefined || ANY.has(name)) return this.usual;
    const folder = this.#installed.find(this.#named(name));
    const view = this.#views.get(folder) ?? new View(this, () => folder);
    this.#views.set(folder, view);
    return view;
  }

  /** Those that are installed, and those that are held though they are not found by name; first the one that is meant where none is named. */
  list(): ServedModel[] {
    const states = new Map<string, ServedModel>();
    for (const name of this.#installed.names()) states.set(name, { name, state: 'absent', info: null });
    for (const { folder, engine } of this.#held.values()) {
      const name = this.#installed.nameOf(folder);
      const { model, state } = engine.status();
      states.set(name, {
        name,
        info: model,
        state: state === 'idle' || state === 'closed' ? 'absent' : state,
      });
    }
    const usual = this.#usualName();
    return [...states.values()].sort((a, b) => Number(b.name === usual) - Number(a.name === usual));
  }

  /** Undefined where it is not there. */
  #usualName(): string | undefined {
    try {
      return this.#installed.nameOf(this.#installed.find());
    } catch (error) {
      if (error instanceof AfterimageError) return undefined;
      throw error;
    }
  }

  /** Runs `work` with the folder's engine, loaded, which stays for as long as that takes. */
  async using<T>(
    folder: string,
    work: (engine: Engine) => Promise<T>,
    { onProgress, signal }: Pick<AskOptions, 'onProgress' | 'signal'> = {},
  ): Promise<T> {
    if (this.#closed) throw closedError();
    const held = this.#hold(folder);
    held.busy++;
    held.usedAt = ++this.#clock;
    try {
      await unlessAborted(this.#ready(held, onProgress), signal, stoppedLoading);
      return await work(held.engine);
    } finally {
      held.busy--;
    }
  }

  status(folder: string): EngineStatus {
    return this.#held.get(folder)?.engine.status() ?? { model: null, state: 'idle', sessions: 0, cache: {} };
  }

  async tree(folder: string): Promise<KeptTree | null> {
    return (await this.#held.get(folder)?.engine.tree()) ?? null;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#held.values()].map(({ engine }) => engine.close()));
  }

  /** The name as it is listed; its last part is enough where only one has it. */
  #named(name: string): string {
    const names = this.list().map((model) => model.name);
    if (names.includes(name)) return name;
    const alike = names.filter((one) => one.split('/').at(-1) === name);
    if (alike.length === 1) return alike[0]!;
    const some = names.slice(0, 20).map((one) => `"${one}"`);
    throw new AfterimageError(
      'MODEL_NOT_FOUND',
      `There is no model "${name.slice(0, 200)}" here; name ${some.join(', ')} or "default", or download it with \`afterimage pull\`.`,
    );
  }

  #hold(folder: string): Held {
    const known = this.#held.get(folder);
    if (known) return known;
    const held: Held = {
      folder,
      busy: 0,
      usedAt: 0,
      engine: this.#installed.open(folder, () => this.#left()),
    };
    this.#held.set(folder, held);
    return held;
  }

  #ready({ engine }: Held, onProgress?: (progress: Progress) => void): Promise<ModelInfo> {
    if (engine.status().state === 'ready') return engine.ready(onProgress);
    const load = this.#loads.then(() => this.#load(engine, onProgress));
    this.#loads = load.catch(() => {});
    return load;
  }

  async #load(engine: Engine, onProgress?: (progress: Progress) => void): Promise<ModelInfo> {
    for (;;) {
      try {
        return await engine.ready(onProgress);
      } catch (error) {
        const full = error instanceof AfterimageError && error.code === 'OUT_OF_MEMORY';
        if (!full || !(await this.#leave(engine))) throw error;
      }
    }
  }

  /** @returns whether one left. */
  async #leave(staying: Engine): Promise<boolean> {
    const [least] = [...this.#held.values()]
      .filter(({ engine, busy }) => busy === 0 && engine !== staying && engine.status().model !== null)
      .sort((a, b) => a.usedAt - b.usedAt);
    if (!least) return false;
    this.#held.delete(least.folder);
    await least.engine.close();
    return true;
  }

  /** Without what the loaded ones may still take. */
  #left(): UsableMemory {
    const { limit, free } = usableMemory();
    const promised = [...this.#held.values()].reduce(
      (sum, { engine }) => sum + promisedTo(engine.status()),
      0,
    );
    return { limit, free: Math.max(0, free - promised) };
  }
}

function promisedTo({ budgets = {}, cache }: EngineStatus): number {
  const most = Object.values(budgets).reduce((sum, bytes) => sum + bytes, 0);
  const taken = ['kvBytes', 'featuresBytes', 'scratchBytes'].reduce(
    (sum, name) => sum + (cache[name] ?? 0),
    0,
  );
  return Math.max(0, most - taken);
}

/** One model, or the one that is meant at the time, as an engine. */
class View implements Engine {
  readonly #models: InstalledModels;
  readonly #folder: () => string;
  readonly #sessions = new Set<Session>();

  constructor(models: InstalledModels, folder: () => string) {
    this.#models = models;
    this.#folder = folder;
  }

  async ready(onProgress?: (progress: Progress) => void): Promise<ModelInfo> {
    return this.#models.using(this.#folder(), (engine) => engine.ready(onProgress), { onProgress });
  }

  open(): Session {
    return this.#opened();
  }

  async warm(images: ImageInput[], signal?: AbortSignal): Promise<void> {
    await this.#models.using(this.#folder(), (engine) => engine.warm(images, signal));
  }

  status(): EngineStatus {
    let folder: string;
    try {
      folder = this.#folder();
    } catch (error) {
      if (!(error instanceof AfterimageError)) throw error;
      return { model: null, state: 'failed', sessions: this.#sessions.size, cache: {} };
    }
    return { ...this.#models.status(folder), sessions: this.#sessions.size };
  }

  async tree(): Promise<KeptTree | null> {
    if (this.status().state !== 'ready') return null;
    return this.#models.tree(this.#folder());
  }

  async close(): Promise<void> {
    for (const session of [...this.#sessions]) session.close();
    await this.#models.close();
  }

  #opened(from?: Inner): Session {
    const session: Session = new ViewSession(
      {
        folder: this.#folder,
        using: (folder, work, options) => this.#models.using(folder, work, options),
        fork: (inner) => this.#opened(inner),
        forget: () => this.#sessions.delete(session),
      },
      from,
    );
    this.#sessions.add(session);
    return session;
  }
}

/** A session of one model's engine. */
interface Inner {
  engine: Engine;
  session: Session;
}

interface ViewHost {
  folder(): string;
  using: InstalledModels['using'];
  fork(inner: Inner | undefined): Session;
  forget(): void;
}

class ViewSession implements Session {
  readonly id = randomBytes(16).toString('hex');
  readonly #host: ViewHost;
  readonly #closing = new AbortController();
  #inner: Inner | undefined;

  constructor(host: ViewHost, from?: Inner) {
    this.#host = host;
    this.#inner = from;
  }

  async ask(messages: Message[], options: AskOptions = {}): Promise<Answer> {
    if (this.#closing.signal.aborted) throw sessionClosed();
    const signal = options.signal
      ? AbortSignal.any([options.signal, this.#closing.signal])
      : this.#closing.signal;
    const { onProgress } = options;
    try {
      return await this.#host.using(
        this.#host.folder(),
        (engine) => this.#of(engine).ask(messages, options),
        { onProgress, signal },
      );
    } catch (error) {
      if (signal.aborted && isCancellation(error)) return unanswered(options.continues);
      throw error;
    }
  }

  fork(): Session {
    if (this.#closing.signal.aborted) throw sessionClosed();
    const inner = this.#inner;
    const lives = inner && inner.engine.status().state === 'ready';
    return this.#host.fork(lives ? { ...inner, session: inner.session.fork() } : undefined);
  }

  close(): void {
    this.#closing.abort();
    this.#inner?.session.close();
    this.#host.forget();
  }

  /** What another model computed is of no use to this one. */
  #of(engine: Engine): Session {
    if (this.#closing.signal.aborted) throw sessionClosed();
    if (this.#inner?.engine !== engine) {
      this.#inner?.session.close();
      this.#inner = { engine, session: engine.open() };
    }
    return this.#inner.session;
  }
}

function closedError(): AfterimageError {
  return new AfterimageError('CLOSED', 'The engine is closed.');
}

function sessionClosed(): AfterimageError {
  return new AfterimageError('CLOSED', 'This session is closed; open a new one.');
}
