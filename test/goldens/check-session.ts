// Cases as users meet them: files in, greedy answers out, later turns on top of what earlier turns left in the cache.
import type { Answer, Engine } from '../../src/engine/engine.js';
import type { GoldenCase, GoldenTurn } from './case-files.js';
import { images, messagesOf } from './messages.js';
import type { Tally } from './tally.js';

/** How far an answer goes before it is cut and continued. */
const CUT = 3;

/** All turns of a case in one session; each answer once more from the cache, and once more in two pieces. */
export async function checkSession(
  engine: Engine,
  golden: GoldenCase,
  stops: number[],
  family: string,
  tally: Tally,
): Promise<void> {
  const context = images();
  const session = engine.open();
  try {
    for (const [t, turn] of golden.turns.entries()) {
      const where = `${family}/${golden.name} turn ${t}`;
      const maxTokens = turn.generated_ids.length;
      const messages = await messagesOf(golden, turn, context);
      const answer = await session.ask(messages, { maxTokens });
      checkAnswer(where, turn, stops, answer, tally);
      const again = await engine.open().ask(messages, { maxTokens });
      tally.equal(where, 'cached answer', again.tokenIds, answer.tokenIds);
      const cut = await engine.open().ask(messages, { maxTokens: Math.min(CUT, maxTokens) });
      const rest = await engine
        .open()
        .ask(messages, { maxTokens: Math.max(0, maxTokens - CUT), continues: cut });
      tally.equal(where, 'continued answer', [rest.tokenIds, rest.text], [answer.tokenIds, answer.text]);
    }
  } finally {
    session.close();
  }
}

function checkAnswer(where: string, turn: GoldenTurn, stops: number[], answer: Answer, tally: Tally): void {
  const end = turn.generated_ids.findIndex((id) => stops.includes(id));
  const expected = turn.generated_ids.slice(0, end < 0 ? undefined : end);
  tally.equal(where, 'session answer', answer.tokenIds, expected);
  tally.equal(where, 'why the session stopped', answer.stopReason, end < 0 ? 'length' : 'end');
  tally.equal(where, 'length of the prompt', answer.cache.prompt_tokens, turn.input_ids.length);
  if ((turn.common_prefix ?? 0) > 0)
    tally.equal(where, 'reuses tokens of the turn before', answer.cache.prompt_tokens_reused! > 0, true);
}
