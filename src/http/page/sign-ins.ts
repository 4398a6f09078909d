// Who has signed in to the page: a token, or a link that works once, is exchanged for a key that opens the page's own
// routes and nothing else. The page keeps it for its tab alone and sends it as a header: there is no cookie that another
// page, or another program on another port of this machine, could make a browser send along.
import { createHash, randomBytes } from 'node:crypto';

/** Open tabs; the oldest has to sign in again. */
const MOST_KEYS = 64;
const MOST_LINKS = 16;

export class SignIns {
  /** Client by the hash of its key: how long looking one up takes says nothing about any other. */
  readonly #keys = new Map<string, number>();
  readonly #links = new Map<string, number>();

  /** @param client Index of its token. @returns a key */
  signIn(client: number): string {
    return remembered(this.#keys, client, MOST_KEYS);
  }

  /** @returns a code that signs in once */
  link(client: number): string {
    return remembered(this.#links, client, MOST_LINKS);
  }

  /** The client of a link that was not used before. */
  redeem(code: string): number | undefined {
    const name = hashOf(code);
    const client = this.#links.get(name);
    this.#links.delete(name);
    return client;
  }

  clientOf(key: string): number | undefined {
    return this.#keys.get(hashOf(key));
  }

  signOut(key: string): void {
    this.#keys.delete(hashOf(key));
  }
}

function remembered(names: Map<string, number>, client: number, most: number): string {
  const secret = randomBytes(32).toString('hex');
  names.set(hashOf(secret), client);
  const [oldest] = names.keys();
  if (names.size > most) names.delete(oldest!);
  return secret;
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
