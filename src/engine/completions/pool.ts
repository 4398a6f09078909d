// Which of several servers answers a question: the one that has seen its image, else the least busy one that is up.
import { ByteLru } from '../../image/byte-lru.js';
import type { Endpoint } from './endpoint.js';

const REMEMBERED_IMAGES = 4096;

export class Pool {
  readonly endpoints: readonly Endpoint[];
  /** By pixel hash; a server's cache hits only where an image comes back to it. */
  readonly #homes = new ByteLru<Endpoint>(REMEMBERED_IMAGES);
  readonly #given = new Map<Endpoint, number>();

  constructor(endpoints: readonly Endpoint[]) {
    this.endpoints = endpoints;
  }

  /**
   * @param image Pixel hash of the question's first image.
   * @param failed Those that could not answer this question; taken only where there is no other.
   */
  choose(image: string | undefined, failed: ReadonlySet<Endpoint> = new Set()): Endpoint {
    const home = image === undefined ? undefined : this.#homes.get(image);
    if (home && home.up && !failed.has(home)) return home;
    const rested = this.endpoints.filter((endpoint) => endpoint.up && !failed.has(endpoint));
    const untried = this.endpoints.filter((endpoint) => !failed.has(endpoint));
    const candidates = [rested, untried, this.endpoints].find((some) => some.length > 0)!;
    const least = [...candidates].sort((a, b) => a.busy - b.busy || this.#count(a) - this.#count(b))[0]!;
    this.#given.set(least, this.#count(least) + 1);
    if (image !== undefined) this.#homes.set(image, least, 1);
    return least;
  }

  /** Whether another than these could be asked at once. */
  hasOther(failed: ReadonlySet<Endpoint>): boolean {
    return this.endpoints.some((endpoint) => endpoint.up && !failed.has(endpoint));
  }

  #count(endpoint: Endpoint): number {
    return this.#given.get(endpoint) ?? 0;
  }
}
