// Every golden case as a user meets it: files in, greedy answer out, through sessions and the cache.
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { describe, test } from 'node:test';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { readCases } from '../goldens/case-files.js';
import { goldenFolders, images, messagesOf } from './goldens.js';

const GENERATED = 32;

for (const folder of goldenFolders()) {
  describe(basename(folder), () => {
    for (const golden of readCases(folder)) {
      test(golden.name, async () => {
        const engine = new LocalEngine({
          model: folder,
          precision: 'exact',
          kvType: 'f32',
          threads: 2,
        });
        try {
          const context = images();
          const session = engine.open();
          for (const [t, turn] of golden.turns.entries()) {
            const messages = await messagesOf(golden, turn, context);
            const answer = await session.ask(messages, { maxTokens: GENERATED });
            const ended =
              turn.finish_reason === 'length' ? turn.generated_ids : turn.generated_ids.slice(0, -1);
            assert.deepEqual(answer.tokenIds, ended, `turn ${t}`);
            assert.equal(answer.stopReason, turn.finish_reason === 'length' ? 'length' : 'end');
            assert.equal(answer.cache.prompt_tokens, turn.input_ids.length);
            const again = await engine.open().ask(messages, { maxTokens: GENERATED });
            assert.deepEqual(again.tokenIds, answer.tokenIds, 'cached answer');
            const cut = await engine.open().ask(messages, { maxTokens: 3 });
            const rest = await engine.open().ask(messages, { maxTokens: GENERATED - 3, continues: cut });
            assert.deepEqual(rest.tokenIds, answer.tokenIds, 'continued answer');
            assert.equal(rest.text, answer.text, 'text of the continued answer');
          }
        } finally {
          await engine.close();
        }
      });
    }
  });
}
