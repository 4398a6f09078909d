// The closing line of an answer: what was looked at and how fast.
import type { Answer } from '../engine/engine.js';

/** "620 image tokens (620 from cache) · encode 1.2 s · prefill 640 tok in 0.4 s (1,600 tok/s) · 48 tok, 61 tok/s" */
export function ratesLine(answer: Answer): string {
  const { cache } = answer;
  const evaluated = cache.prompt_tokens - cache.prompt_tokens_reused;
  const parts = [
    `${count(cache.image_tokens)} image tokens${reused(cache.image_tokens_reused, cache.source)}`,
  ];
  if (cache.encode_ms > 0) parts.push(`encode ${seconds(cache.encode_ms)}`);
  parts.push(
    `prefill ${count(evaluated)} tok in ${seconds(cache.prefill_ms)} (${rate(evaluated, cache.prefill_ms)})`,
  );
  parts.push(
    `answer ${count(answer.tokenIds.length)} tok (${rate(answer.tokenIds.length, answer.decodeMs)})`,
  );
  if (answer.stopReason !== 'end') parts.push(`stopped: ${answer.stopReason}`);
  return parts.join(' · ');
}

function reused(tokens: number, source: string): string {
  return tokens > 0 ? ` (${count(tokens)} from ${source})` : '';
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function seconds(ms: number): string {
  return ms < 100 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

function rate(tokens: number, ms: number): string {
  return ms > 0
    ? `${((tokens * 1000) / ms).toLocaleString('en-US', { maximumFractionDigits: tokens * 1000 > ms * 100 ? 0 : 1 })} tok/s`
    : '- tok/s';
}
