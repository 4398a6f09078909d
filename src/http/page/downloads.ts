// Downloads of models that the page began, and what is known of those that `afterimage pull` began elsewhere.
import { AfterimageError } from '../../errors.js';
import { partsUnderWay } from '../../pull/parts.js';
import { pull } from '../../pull/pull.js';

export interface Download {
  name: string;
  state: 'running' | 'done' | 'failed' | 'elsewhere';
  doneBytes: number;
  /** Absent until it is known. */
  totalBytes?: number;
  bytesPerSecond?: number;
  secondsLeft?: number;
  /** Why it failed. */
  message?: string;
}

interface Held {
  download: Download;
  stop: AbortController;
}

const MOST_HELD = 16;

export class Downloads {
  readonly #held = new Map<string, Held>();
  readonly #onUnexpected: (error: unknown) => void;

  /** @param onUnexpected Hears what should not have gone wrong, for the log. */
  constructor(onUnexpected: (error: unknown) => void) {
    this.#onUnexpected = onUnexpected;
  }

  /** Returns at once. @throws AfterimageError ENGINE_BUSY where it is under way */
  begin(name: string): void {
    if (this.#held.get(name)?.download.state === 'running')
      throw new AfterimageError('ENGINE_BUSY', `${name.slice(0, 200)} is being downloaded; watch it here.`);
    const download: Download = { name, state: 'running', doneBytes: 0 };
    const stop = new AbortController();
    this.#held.delete(name);
    this.#held.set(name, { download, stop });
    for (const [other, { download: ended }] of this.#held)
      if (this.#held.size > MOST_HELD && ended.state !== 'running') this.#held.delete(other);
    void this.#run(download, stop.signal);
  }

  /** What has arrived stays for the next try. */
  stop(name: string): void {
    this.#held.get(name)?.stop.abort();
    this.#held.delete(name);
  }

  async list(): Promise<Download[]> {
    const ours = [...this.#held.values()].map(({ download }) => ({ ...download }));
    const known = new Set(ours.filter(({ state }) => state === 'running').map(({ name }) => name));
    const others = (await partsUnderWay()).filter(({ name }) => !known.has(name));
    return [
      ...ours,
      ...others.map(({ name, bytes }) => ({ name, state: 'elsewhere' as const, doneBytes: bytes })),
    ];
  }

  close(): void {
    for (const { stop } of this.#held.values()) stop.abort();
  }

  async #run(download: Download, signal: AbortSignal): Promise<void> {
    try {
      await pull(download.name, {
        signal,
        onProgress: ({ file: _, ...progress }) => void Object.assign(download, progress),
      });
      Object.assign(download, { state: 'done', bytesPerSecond: undefined, secondsLeft: undefined });
    } catch (error) {
      const known = error instanceof AfterimageError;
      if (!known) this.#onUnexpected(error);
      const message = known ? error.message : 'It failed; the log of the server says how.';
      Object.assign(download, {
        state: 'failed',
        message,
        bytesPerSecond: undefined,
        secondsLeft: undefined,
      });
    }
  }
}
