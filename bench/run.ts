// npm run bench -- --dims qwen2-vl-2b|qwen2.5-vl-3b|smolvlm-256m|starter --bits 4|8|16 --prompt 512 --generate 64
//   --image 1280x800 --threads N [--precision exact|fast|faster] [--json]
// Load, encode, prefill and decode on random weights of real dimensions, with what the machine can do before and after.
import { benchArguments, benchCheckpoint } from './arguments.js';
import { measured } from './child.js';
import type { Peaks } from './peaks.js';
import { BenchModel } from './native-model.js';
import { syntheticImage, syntheticPrompt } from './synthetic-prompt.js';

const options = benchArguments();
const { checkpoint, remove } = benchCheckpoint(options);
try {
  const before = measured<Peaks>('peaks.ts', { threads: options.threads });
  const bench = new BenchModel({
    checkpoint,
    precision: options.precision,
    kvType: 'f16',
    threads: options.threads,
  });
  await bench.load();
  const image = syntheticImage(bench.model, options.width, options.height, 1);
  const warm = syntheticPrompt(bench.model, [{ text: 64, seed: 1 }]);
  await bench.ask(warm, [], 4);
  const text = await bench.ask(
    syntheticPrompt(bench.model, [{ text: options.prompt, seed: 2 }]),
    [],
    options.generate,
  );
  const seen = await bench.ask(
    syntheticPrompt(bench.model, [{ text: 16, seed: 3 }, { image }, { text: 32, seed: 4 }]),
    [image],
    8,
  );
  const stats = bench.engine.stats();
  await bench.engine.close();
  const after = measured<Peaks>('peaks.ts', { threads: options.threads });
  const weightBytes = Number(stats.weightBytes);
  const decodeRate = ((text.tokens.length - 1) * 1000) / text.decodeMs;
  const figures = {
    dims: options.dims,
    bits: options.bits,
    precision: options.precision,
    backend: bench.backend,
    load_ms: Math.round(bench.loadMs),
    weight_mb: Math.round(weightBytes / 1e6),
    image_tokens: image.plan.tokens,
    encode_ms: Math.round(seen.cache.encodeMs),
    image_prefill_ms: Math.round(seen.cache.prefillMs),
    first_token_of_image_ms: Math.round(seen.firstTokenMs),
    prefill_tokens_per_s: Math.round((options.prompt * 1000) / text.cache.prefillMs),
    decode_tokens_per_s: Number(decodeRate.toFixed(1)),
    read_gb_per_s: [before, after].map(({ read }) => Number(read.toFixed(1))),
    float_gflop_per_s: Math.round(Math.max(before.floats, after.floats)),
    int8_gop_per_s: Math.round(Math.max(before.integers, after.integers)),
    peak_memory_mb: Math.round(process.resourceUsage().maxRSS / 1024),
  };
  if (options.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
  else
    for (const [name, value] of Object.entries(figures))
      process.stdout.write(`${name.padEnd(26)}${String(value)}\n`);
} finally {
  remove();
}
