// Conversations by handle: history kept on our side, the engine's session behind it, expiry. No protocol, no prompts.
import type { Mark } from '../reading/elements.js';
import { randomBytes } from 'node:crypto';
import { AfterimageError } from '../errors.js';
import type {
  AnswerSoFar,
  Engine,
  JsonSchema,
  ModelInfo,
  Session,
  TokenCertainty,
} from '../engine/engine.js';
import type { PageOf } from '../image/load.js';
import type { ImageInput } from '../image/rgb-image.js';
import type { Region, Size } from '../image/region.js';
import type { TextLine } from '../prompt/parse.js';
import { inTime, type TimeLimits } from './deadline.js';

export interface HandedLine {
  text: string;
  /** In pixels of the picture. */
  box: Region;
  /** What it is, where that is said. */
  mark?: Mark;
}

/** Read lines as they stand in a prompt. */
export interface HandedOn {
  written: string;
  lines: HandedLine[];
  /** Where it is said what the lines are: what they and the pixels establish of the whole. */
  screen?: ScreenLook;
}

export interface ScreenLook {
  dark: boolean;
  kind?: string;
  /** "2 buttons", most frequent first. */
  counts: string[];
  /** Of the picture in which the lines' boxes lie. */
  size: Size;
}

/** One image of a turn as the model gets it, and what a result says about it. */
export interface Picture {
  imageId: string;
  /** What the model looks at: the whole image or the crop of `region`. */
  input: ImageInput;
  original: Size;
  region?: Region;
  /** Crops we add ourselves (compare_images) are not listed in results. */
  listed: boolean;
  /** Of a document. */
  page?: PageOf;
  /** The lines read in it that the model is given. */
  reading?: HandedOn;
}

export interface Turn {
  pictures: Picture[];
  question: string;
  /** The answer is one of these. */
  choices?: readonly string[];
  /** The answer holds by it. */
  schema?: JsonSchema;
  /** Text that the answer may repeat: it comes sooner then, and no other. */
  expected?: string;
  /** Absent while the turn is being answered. */
  answer?: string;
}

/** An answer that ended before its end; it can be continued exactly where it stopped. */
export interface Cut extends AnswerSoFar {
  /** Whose tokens they are: to another model they mean nothing. */
  model?: string;
  /** Reads more than text out of the answer (OCR lines with boxes), once it goes on. */
  reader?: LineReader;
  /** Where only what the model is sure of is shown: how sure it was so far, what was shown, whether all that is important is. */
  weighed?: { certainty: TokenCertainty[]; shown: string; whole?: boolean };
}

/** Reads the complete lines of a model's answer, in pixels of the original image. */
export type LineReader = (answer: string, viewed: Size, boxes: NonNullable<ModelInfo['boxes']>) => TextLine[];

export class Conversation {
  readonly id: string;
  turns: Turn[] = [];
  cut: Cut | undefined;
  busy = false;
  /** Whether a result has named this conversation; until then nobody can come back to it. */
  known = false;
  lastUsed: number;
  /** Settles when the images are computed, where that was left to the background. */
  warming: Promise<void> = Promise.resolve();
  #session: Session | undefined;
  #engine: Engine | undefined;
  readonly #ended = new AbortController();

  constructor(id: string, now: number) {
    this.id = id;
    this.lastUsed = now;
  }

  get live(): boolean {
    return this.#session !== undefined;
  }

  /** The engine's session; opened again when it had been released to save memory, or when another engine is asked. */
  session(engine: Engine): Session {
    if (this.#engine !== engine) this.release();
    this.#engine = engine;
    this.#session ??= engine.open();
    return this.#session;
  }

  /** Takes over history and computed state of `parent`. A session in use is not forked: the prefix cache serves instead. */
  branchFrom(parent: Conversation): void {
    this.turns = parent.turns.filter((turn) => turn.answer !== undefined).map((turn) => ({ ...turn }));
    this.cut = parent.busy ? undefined : parent.cut;
    if (!parent.busy) this.#session = parent.#session?.fork();
    this.#engine = parent.#engine;
  }

  /**
   * Computes the images in the background. An image that takes longer than one call may last would otherwise be begun
   * anew by every call. A failure here is met, and reported, by the next question.
   */
  warm(engine: Engine): void {
    const images = this.turns.flatMap(({ pictures }) => pictures.map(({ input }) => input));
    this.warming = engine.warm(images, this.#ended.signal).catch(() => {});
  }

  release(): void {
    this.#session?.close();
    this.#session = undefined;
  }

  end(): void {
    this.#ended.abort();
    this.release();
  }
}

export interface ConversationLimits {
  /** Idle time after which a handle expires. */
  ttlMs: number;
  /** Handles kept; the longest idle one goes first. */
  handles: number;
  /** Engine sessions kept open; the others are opened again when they are used. */
  live: number;
}

export const CONVERSATION_LIMITS: ConversationLimits = { ttlMs: 30 * 60_000, handles: 256, live: 16 };

/** How many expired handles are remembered, so that they are told apart from ones that never existed. */
const REMEMBERED = 1024;

export class Conversations {
  readonly limits: ConversationLimits;
  readonly #now: () => number;
  /** In order of last use: a Map keeps insertion order, and use re-inserts. */
  readonly #open = new Map<string, Conversation>();
  readonly #expired = new Set<string>();
  /** The last call of each session that has calls waiting or running; settles when its turn is over. */
  readonly #queues = new Map<string, Promise<void>>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(limits: Partial<ConversationLimits> = {}, now: () => number = Date.now) {
    this.limits = { ...CONVERSATION_LIMITS, ...limits };
    this.#now = now;
    this.#sweeper = setInterval(() => this.sweep(), 60_000).unref();
  }

  get size(): number {
    return this.#open.size;
  }

  /** Least recently used first. */
  list(): Conversation[] {
    return [...this.#open.values()];
  }

  start(): Conversation {
    const conversation = new Conversation(randomBytes(16).toString('hex'), this.#now());
    this.#open.set(conversation.id, conversation);
    this.sweep();
    return conversation;
  }

  /** @throws AfterimageError SESSION_NOT_FOUND | SESSION_EXPIRED */
  get(id: string): Conversation {
    this.sweep();
    const conversation = this.#open.get(id);
    if (conversation) return this.#touch(conversation);
    if (this.#expired.has(id)) {
      throw new AfterimageError(
        'SESSION_EXPIRED',
        `This session_id has expired (sessions end after ${this.limits.ttlMs / 60_000} idle minutes). Start a new one: call again without session_id and pass the images.`,
      );
    }
    throw new AfterimageError(
      'SESSION_NOT_FOUND',
      'This session_id is unknown to this server, which may have been restarted. Start a new one: call again without session_id and pass the images.',
    );
  }

  fork(id: string): Conversation {
    const parent = this.get(id);
    const child = this.start();
    child.branchFrom(parent);
    return child;
  }

  /**
   * Runs `work` when the calls that named this session before have ended: parallel calls are answered in their order.
   * @throws AfterimageError SESSION_BUSY when the deadline comes first, CANCELLED.
   */
  async inOrder<T>(id: string, limits: TimeLimits, work: () => Promise<T>): Promise<T> {
    const earlier = this.#queues.get(id);
    const turn = (earlier ? waited(earlier, limits) : Promise.resolve()).then(work);
    // Whoever gives up waiting must not let those behind it overtake the call it waited for.
    const over = Promise.allSettled([earlier, turn]).then(() => {
      if (this.#queues.get(id) === over) this.#queues.delete(id);
    });
    this.#queues.set(id, over);
    return turn;
  }

  /**
   * Runs `work` as the only user of the conversation.
   * @param engine Whose session it gets.
   * @throws AfterimageError SESSION_BUSY when another call is using it.
   */
  async use<T>(
    conversation: Conversation,
    engine: Engine,
    work: (session: Session) => Promise<T>,
  ): Promise<T> {
    if (conversation.busy) throw busy();
    conversation.busy = true;
    try {
      const result = await work(conversation.session(engine));
      conversation.known = true;
      return result;
    } finally {
      conversation.busy = false;
      if (conversation.known) this.#touch(conversation);
      else this.#drop(conversation);
      this.#releaseIdle();
    }
  }

  sweep(): void {
    const oldest = this.#now() - this.limits.ttlMs;
    for (const conversation of this.#open.values()) {
      const crowded = this.#open.size > this.limits.handles;
      if (!conversation.busy && (conversation.lastUsed < oldest || crowded)) this.#expire(conversation);
    }
  }

  close(): void {
    clearInterval(this.#sweeper);
    for (const conversation of this.#open.values()) conversation.end();
    this.#open.clear();
  }

  #touch(conversation: Conversation): Conversation {
    if (!this.#open.delete(conversation.id)) return conversation;
    conversation.lastUsed = this.#now();
    this.#open.set(conversation.id, conversation);
    return conversation;
  }

  #drop(conversation: Conversation): void {
    conversation.end();
    this.#open.delete(conversation.id);
  }

  #expire(conversation: Conversation): void {
    this.#drop(conversation);
    this.#expired.add(conversation.id);
    for (const id of this.#expired) {
      if (this.#expired.size <= REMEMBERED) break;
      this.#expired.delete(id);
    }
  }

  #releaseIdle(): void {
    const live = [...this.#open.values()].filter((conversation) => conversation.live && !conversation.busy);
    for (const conversation of live.slice(0, Math.max(0, live.length - this.limits.live)))
      conversation.release();
  }
}

function busy(): AfterimageError {
  return new AfterimageError(
    'SESSION_BUSY',
    'Another call is using this session_id. Wait for its answer, or pass fork: true to chat_with_images to branch off.',
  );
}

/** Resolves when `earlier` has ended. @throws AfterimageError SESSION_BUSY at the deadline, CANCELLED. */
async function waited(earlier: Promise<void>, limits: TimeLimits): Promise<void> {
  if ((await inTime(limits, () => earlier.then(() => true))) === null) throw busy();
}
