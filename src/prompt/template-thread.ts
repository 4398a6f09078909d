// A checkpoint's chat template as this process uses it: hostile until it has rendered. It runs in a thread with little
// memory and little time.
import { AfterimageError } from '../errors.js';
import { LimitedThread, TookTooLong } from '../workers/limited-thread.js';
import type * as work from './template-work.js';

/** A real template takes a millisecond. */
const MOST_MS = 3000;
const IDLE_MS = 600_000;

const thread = new LimitedThread<typeof work>(import.meta.url, './template-work', {
  idleTimeout: IDLE_MS,
  resourceLimits: { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32, stackSizeMb: 2 },
});
const renderAll = thread.job<typeof work.renderAll>('renderAll');

export class TemplateThread {
  readonly #given: work.TemplateSource;

  /** Begins to start the thread, which takes longer than most templates. */
  static start(): void {
    thread.start();
  }

  /** Resolves with a template that parses and renders a conversation with an image. @throws as `render` */
  static async open(given: work.TemplateSource): Promise<TemplateThread> {
    const template = new TemplateThread(given);
    await template.render([]);
    return template;
  }

  private constructor(given: work.TemplateSource) {
    this.#given = given;
  }

  get source(): string {
    return this.#given.source;
  }

  /**
   * @param gone Whether anybody still waits for it.
   * @throws AfterimageError CANCELLED, and INVALID_CHECKPOINT when it refuses, or takes more time or memory than a template may.
   */
  async render(wanted: work.Rendering[], gone?: AbortSignal): Promise<string[]> {
    try {
      return await renderAll({ given: this.#given, wanted }, MOST_MS, gone);
    } catch (cause) {
      if (cause instanceof AfterimageError) throw cause;
      const what =
        cause instanceof TookTooLong
          ? `takes longer than ${MOST_MS / 1000} s`
          : 'takes more memory than it may';
      throw new AfterimageError(
        'INVALID_CHECKPOINT',
        `The chat template ${what}, so it is not used; download the checkpoint again from its maker.`,
        { cause },
      );
    }
  }
}
