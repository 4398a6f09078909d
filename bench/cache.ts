// npm run bench:cache -- --dims qwen2-vl-2b|smolvlm-256m [--bits 4] [--image 1280x800] [--threads N] [--json] [--write]
// Time to the first token of a question about an image: cold, asked again, through another tool, after a second image,
// after a restart from disk, after a fork; about the image with another corner, in its first tile or its last, where the
// family sees tiles apart; and eight forked questions one by one against all at once.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { benchArguments, benchCheckpoint, type BenchArguments } from './arguments.js';
import { BenchModel } from './native-model.js';
import { report } from './figures.js';
import {
  cornerChanged,
  syntheticImage,
  syntheticPrompt,
  type Part,
  type SyntheticImage,
} from './synthetic-prompt.js';

const SYSTEM: Part = { text: 24, seed: 1 };
const QUESTION_TOKENS = 24;
const FORKS = 8;
const FORK_TOKENS = 32;

async function measure(options: BenchArguments, folder: string): Promise<Record<string, number | string>> {
  const { checkpoint, remove } = benchCheckpoint(options);
  try {
    const open = async (): Promise<BenchModel> => {
      const bench = new BenchModel({
        checkpoint,
        precision: options.precision,
        kvType: 'f16',
        threads: options.threads,
        diskFolder: folder,
      });
      await bench.load();
      return bench;
    };
    let bench = await open();
    const first = syntheticImage(bench.model, options.width, options.height, 1);
    const second = syntheticImage(bench.model, options.width, options.height, 2);
    let tiles = '';
    const ask = async (images: SyntheticImage[], seed: number, tokens = 1): Promise<number> => {
      const prompt = syntheticPrompt(bench.model, [
        SYSTEM,
        ...images.map((image) => ({ image })),
        { text: QUESTION_TOKENS, seed },
      ]);
      const { firstTokenMs, cache } = await bench.ask(prompt, images, tokens);
      tiles = cache.tiles > 0 ? `${cache.tilesReused} of ${cache.tiles}` : '';
      return firstTokenMs;
    };
    await bench.ask(syntheticPrompt(bench.model, [{ text: 64, seed: 99 }]), [], 4);
    const cold = await ask([first], 10);
    const tiled = tiles !== '';
    const corner = tiled ? await ask([cornerChanged(first, 'first')], 16) : 0;
    const lastCorner = tiled ? await ask([cornerChanged(first, 'last')], 17) : 0;
    const reused = tiles;
    const question = await ask([first], 11);
    const tool = await ask([first], 12);
    const appended = await ask([first, second], 13);
    const fork = await ask([first, second], 14);

    const start = performance.now();
    for (let i = 0; i < FORKS; i++) await ask([first], 20 + i, FORK_TOKENS);
    const oneByOne = performance.now() - start;
    const batchStart = performance.now();
    await Promise.all(Array.from({ length: FORKS }, (_, i) => ask([first], 40 + i, FORK_TOKENS)));
    const batched = performance.now() - batchStart;

    await bench.engine.flushDisk();
    await bench.engine.close();
    bench = await open();
    await bench.ask(syntheticPrompt(bench.model, [{ text: 64, seed: 99 }]), [], 4);
    const restarted = await ask([first], 15);
    await bench.engine.close();
    return {
      dims: options.dims,
      bits: options.bits,
      image_tokens: first.plan.tokens,
      backend: bench.backend,
      cold_ms: cold,
      second_question_ms: question,
      other_tool_ms: tool,
      after_append_ms: appended,
      after_fork_ms: fork,
      after_restart_ms: restarted,
      ...(tiled && {
        tiles_reused: reused,
        first_corner_changed_ms: corner,
        first_corner_changed_speedup: cold / corner,
        last_corner_changed_ms: lastCorner,
        last_corner_changed_speedup: cold / lastCorner,
      }),
      eight_one_by_one_ms: oneByOne,
      eight_batched_ms: batched,
      second_question_speedup: cold / question,
      restart_speedup: cold / restarted,
      batched_speedup: oneByOne / batched,
    };
  } finally {
    remove();
  }
}

const options = benchArguments();
const folder = mkdtempSync(join(tmpdir(), 'afterimage-bench-cache-'));
try {
  report(`cache ${options.dims}`, await measure(options, folder), options, 1);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
