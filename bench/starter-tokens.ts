// npm run eval:tokens -- tokens.json
// Compares the starter model's greedy tokens through Afterimage (exact precision) with those of the reference
// implementation, as written by training/reference_tokens.py. Ends with `N passed, N failed`.
import { readFileSync } from 'node:fs';
import { LocalEngine } from '../src/engine/local-engine.js';
import { createImageContext, loadImage } from '../src/image/load.js';
import { systemMessage, userMessage } from '../src/prompt/layout.js';

interface Reference {
  image: string;
  instruction: string;
  input_ids: number[];
  tokens: number[];
}

const [file] = process.argv.slice(2);
if (!file) {
  process.stderr.write(
    'Expected: npm run eval:tokens -- tokens.json (made by training/reference_tokens.py).\n',
  );
  process.exit(2);
}
const most = Math.max(
  ...(JSON.parse(readFileSync(file, 'utf8')) as Reference[]).map(({ tokens }) => tokens.length),
);
const engine = new LocalEngine({ precision: 'exact', kvType: 'f32' });
const context = createImageContext({ folders: 'everywhere', cwd: process.cwd() });
let [passed, failed] = [0, 0];
for (const { image, instruction, input_ids, tokens } of JSON.parse(
  readFileSync(file, 'utf8'),
) as Reference[]) {
  const picture = await loadImage(image, context);
  const answer = await engine
    .open()
    .ask([systemMessage(), userMessage([picture], instruction)], { maxTokens: most });
  // The reference's list ends with the end-of-turn token; ours leaves it out. Ours may end earlier in a loop.
  const wanted = answer.stopReason === 'end' ? tokens.slice(0, -1) : tokens.slice(0, answer.tokenIds.length);
  const equal =
    answer.cache.prompt_tokens === input_ids.length &&
    JSON.stringify(answer.tokenIds) === JSON.stringify(wanted);
  if (equal) passed++;
  else {
    failed++;
    process.stdout.write(
      `${image}: ${instruction}\n  reference ${wanted.join(' ')}\n  ours      ${answer.tokenIds.join(' ')}\n`,
    );
  }
}
await engine.close();
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
