// npm run goldens:starter -- [--backend metal] [--tokens 20] [--image FILE…]
// The bundled model's first greedy tokens about real pictures, on another backend and on the CPU, both in f32: they must
// be the same.
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { starterFolder } from '../../src/engine/model-folder.js';
import type { BackendName } from '../../src/engine/native.js';
import { createImageContext, loadImage } from '../../src/image/load.js';
import { describeQuestion, systemMessage, userMessage } from '../../src/prompt/layout.js';

const { values } = parseArgs({
  options: {
    backend: { type: 'string', default: 'metal' },
    tokens: { type: 'string', default: '20' },
    image: {
      type: 'string',
      multiple: true,
      default: ['login.png', 'error.png', 'settings.png'].map((name) =>
        join(starterFolder(), 'examples', name),
      ),
    },
  },
});

async function tokensOf(backend: BackendName, image: string): Promise<number[]> {
  const engine = new LocalEngine({ backend, model: starterFolder(), precision: 'exact', kvType: 'f32' });
  try {
    const picture = await loadImage(image, createImageContext({ folders: 'everywhere' }));
    const question = [systemMessage(), userMessage([picture], describeQuestion('brief'))];
    return (await engine.open().ask(question, { maxTokens: Number(values.tokens) })).tokenIds;
  } finally {
    await engine.close();
  }
}

let [passed, failed] = [0, 0];
for (const image of values.image) {
  const wanted = await tokensOf('cpu', image);
  const start = performance.now();
  const found = await tokensOf(values.backend as BackendName, image);
  const equal = wanted.length > 0 && found.join() === wanted.join();
  if (equal) passed++;
  else failed++;
  console.log(
    `${basename(image)}: ${wanted.length} tokens ${equal ? 'equal' : 'DIFFER'}, ${((performance.now() - start) / 1000).toFixed(0)} s`,
  );
  if (!equal) console.log(`  cpu    ${wanted.join(' ')}\n  ${values.backend.padEnd(6)} ${found.join(' ')}`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
