// What the model last said to each question, in tokens. Whoever asks it again, about the next screenshot, often gets much of
// it again: guesses come from it, which make an answer come sooner and never another. Every room has its own, so nobody can
// tell by the time an answer takes what someone else was told.
import { MOST_EXPECTED, type ModelInfo } from '../engine/engine.js';
import { ByteLru } from '../image/byte-lru.js';
import type { Turn } from './conversations.js';

/** Bytes of all, questions and schemas included: whoever asks chooses how long they are. */
const KEPT = 4 << 20;
/** Tokens of one: beside what is read in a picture, which is searched as often. */
const MOST_OF_ONE = MOST_EXPECTED / 4;

type Asked = Pick<Turn, 'question' | 'schema'>;

export class Answered {
  readonly #last = new ByteLru<readonly number[]>(KEPT);

  to({ identity }: ModelInfo, asked: Asked): readonly number[] | undefined {
    // Elsewhere guesses are not ours to make.
    return identity === undefined ? undefined : this.#last.get(keyOf(identity, asked));
  }

  keep({ identity }: ModelInfo, asked: Asked, answer: readonly number[]): void {
    if (identity === undefined || answer.length === 0) return;
    const kept = answer.slice(0, MOST_OF_ONE);
    const key = keyOf(identity, asked);
    this.#last.set(key, kept, 8 * kept.length + 2 * key.length);
  }
}

const keyOf = (identity: string, { question, schema }: Asked): string =>
  JSON.stringify([identity, question, schema]);
