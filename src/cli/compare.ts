// afterimage compare: the tool of the same name on the command line. Pixels say what changed and where; the model names it.
import { Conversations } from '../ask/conversations.js';
import { compareImages, type Comparison } from '../../tools/compare-images.js';
import { Differences } from '../ask/differences.js';
import { imageArguments, interrupted, withEngine } from './look.js';
import type { Options } from './options.js';

/** What only those can use who may call again. */
const OF_A_SERVER = new Set(['session_id', 'note', 'next', 'difference']);

export async function compare(options: Options, signal: AbortSignal): Promise<void> {
  const [image_a, image_b] = imageArguments(options, 2, 2, 'afterimage compare BEFORE AFTER');
  await withEngine(options, async (engine, look) => {
    const conversations = new Conversations(engine);
    try {
      const args = compareImages.input.parse({ image_a, image_b, max_tokens: look.options.maxTokens });
      const { structured } = await compareImages.run(args, {
        engine,
        conversations,
        differences: new Differences(),
        images: look.context,
        signal,
        deadline: Infinity,
        onProgress: look.progress,
      });
      look.clear();
      show(structured as Comparison, options.flag('json'));
    } catch (error) {
      if (signal.aborted) throw interrupted();
      throw error;
    } finally {
      conversations.close();
    }
  });
}

function show(found: Comparison, asJson: boolean): void {
  if (asJson) {
    const kept = Object.entries(found).filter(([name]) => !OF_A_SERVER.has(name));
    return void process.stdout.write(`${JSON.stringify(Object.fromEntries(kept))}\n`);
  }
  process.stdout.write(`${found.answer}\n`);
  if (found.changed_pixels === 0) return;
  process.stdout.write(`${(100 * found.changed_share).toFixed(2)} % of the pixels changed:\n`);
  for (const { before, after } of found.regions)
    process.stdout.write(`  ${place(before)} → ${place(after)}\n`);
}

function place(region: Comparison['regions'][number]['after']): string {
  return region ? `${region.x},${region.y} ${region.width}x${region.height}` : 'nothing';
}
