// A question that is cancelled while it is answered.
import assert from 'node:assert/strict';
import type { Answer, AskOptions } from '../../src/engine/engine.js';

/** Nearly every token is as likely as the one that ends the answer. */
const WANDERING: AskOptions = { maxTokens: 4000, temperature: 100 };

/** Asks until an answer was cancelled on its way: a fast model may be done before the cancel arrives. */
export async function cancelledAnswer(ask: (options: AskOptions) => Promise<Answer>): Promise<Answer> {
  for (let seed = 1; seed <= 8; seed++) {
    const answer = await ask({ ...WANDERING, seed });
    if (answer.stopReason === 'cancelled') return answer;
  }
  assert.fail('Eight answers ended before they could be cancelled.');
}
