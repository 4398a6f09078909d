// What the calls of one server are doing now, whichever door they came through: for people who watch it. It knows
// stages and counts; no prompts, no pictures.
import type { CallProgress } from './call.js';

export interface Doing {
  id: number;
  /** A tool's name, or what else was asked for. */
  what: string;
  /** Absent until the first stage is reported. */
  stage?: CallProgress['stage'];
  /** Units of the stage; of `decode`, tokens of the answer. */
  done: number;
  total?: number;
  /** Milliseconds since 1970. */
  since: number;
}

export interface Watched {
  progress(progress: CallProgress): void;
  /** Once. */
  ended(): void;
}

export class Activity {
  readonly #running = new Map<number, Doing>();
  #count = 0;

  begin(what: string): Watched {
    const doing: Doing = { id: ++this.#count, what, done: 0, since: Date.now() };
    this.#running.set(doing.id, doing);
    return {
      progress: ({ stage, done, total }) => void Object.assign(doing, { stage, done, total }),
      ended: () => void this.#running.delete(doing.id),
    };
  }

  /** As they are now, longest running first. */
  list(): Doing[] {
    return [...this.#running.values()].map((doing) => ({ ...doing }));
  }
}
