// Cases as users meet them: files in, greedy answers out, later turns on top of what earlier turns left in the cache.
import type { Engine } from '../../src/engine/engine.js';
import { images, messagesOf } from '../engine/goldens.js';
import type { GoldenCase } from './case-files.js';
import type { Tally } from './tally.js';

/** All turns of a case in one session. `stops`: ids at which an answer ends. */
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
      const answer = await session.ask(await messagesOf(golden, turn, context), {
        maxTokens: turn.generated_ids.length,
      });
      const end = turn.generated_ids.findIndex((id) => stops.includes(id));
      tally.equal(
        where,
        'session answer',
        answer.tokenIds,
        turn.generated_ids.slice(0, end < 0 ? undefined : end),
      );
      const shared = turn.common_prefix ?? 0;
      if (shared > 0)
        tally.equal(where, 'reuses tokens of the turn before', answer.cache.prompt_tokens_reused > 0, true);
    }
  } finally {
    session.close();
  }
}
