// One measurement of node-llama-cpp on a GGUF file: prefill and decode rates as one JSON line.
//   tsx bench/peers/llama.ts --module FOLDER --model FILE --prompt N --generate N --threads N
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    module: { type: 'string' },
    model: { type: 'string' },
    prompt: { type: 'string', default: '512' },
    generate: { type: 'string', default: '64' },
    threads: { type: 'string', default: '2' },
  },
});
const require = createRequire(join(values.module!, 'package.json'));
const { getLlama } = await import(pathToFileURL(require.resolve('node-llama-cpp')).href);

const llama = await getLlama({ gpu: false, logLevel: 'error', build: 'never', progressLogs: false });
const model = await llama.loadModel({ modelPath: values.model!, defaultContextFlashAttention: true });
const threads = Number(values.threads);
const promptTokens = Number(values.prompt);
const generate = Number(values.generate);
const context = await model.createContext({
  contextSize: promptTokens + generate + 64,
  batchSize: 512,
  threads: { ideal: threads, min: threads },
});
const sequence = context.getSequence();
const tokens = (count: number, seed: number): number[] =>
  Array.from({ length: count }, (_, i) => 300 + ((seed * 7919 + i * 104729) % 1000));

await sequence.evaluateWithoutGeneratingNewTokens(tokens(32, 1));
await sequence.clearHistory();
const start = performance.now();
await sequence.evaluateWithoutGeneratingNewTokens(tokens(promptTokens, 2));
const prefillMs = performance.now() - start;

let decoded = 0;
let first = 0;
const answer = sequence.evaluate([301], { temperature: 0, yieldEogToken: true })[Symbol.asyncIterator]();
while (decoded <= generate && !(await answer.next()).done) {
  if (decoded++ === 0) first = performance.now();
}
const decodeMs = performance.now() - first;
process.stdout.write(
  `${JSON.stringify({
    prefill_tokens_per_s: (promptTokens * 1000) / prefillMs,
    decode_tokens_per_s: ((decoded - 1) * 1000) / decodeMs,
    peak_memory_mb: Math.round(process.resourceUsage().maxRSS / 1024),
  })}\n`,
);
process.exit(0);
