// The closing line of an answer: what was looked at and how fast.
import type { CallProgress } from '../ask/call.js';
import type { ReplyFields } from '../ask/fields.js';

export class Rates {
  /** Of the first and the latest token: how many there were and when. */
  #first: { tokens: number; at: number } | undefined;
  #latest = { tokens: 0, at: 0 };

  see({ stage, done }: CallProgress): void {
    if (stage !== 'decode') return;
    this.#latest = { tokens: done, at: performance.now() };
    this.#first ??= this.#latest;
  }

  /** "620 image tokens (620 from cache) · encode 1.2 s · prefill 640 tok in 0.4 s (1,600 tok/s) · 48 tok, 61 tok/s" */
  line({ cache, stop_reason }: Pick<ReplyFields, 'cache' | 'stop_reason'>): string {
    const parts: string[] = [];
    const { image_tokens, prompt_tokens, prompt_tokens_reused = 0, encode_ms = 0, prefill_ms } = cache;
    if (image_tokens !== undefined)
      parts.push(
        `${count(image_tokens)} image tokens${reused(cache.image_tokens_reused ?? 0, cache.source)}`,
      );
    if (encode_ms > 0) parts.push(`encode ${seconds(encode_ms)}${spared(cache)}`);
    if (prompt_tokens !== undefined) parts.push(prefill(prompt_tokens - prompt_tokens_reused, prefill_ms));
    const { tokens, at } = this.#latest;
    const first = this.#first ?? this.#latest;
    parts.push(`answer ${count(tokens)} tok (${rate(tokens - first.tokens, at - first.at)})`);
    if (stop_reason !== 'end') parts.push(`stopped: ${stop_reason}`);
    return parts.join(' · ');
  }
}

/** An engine elsewhere may not say how long it took. */
function prefill(evaluated: number, ms: number | undefined): string {
  const work = `prefill ${count(evaluated)} tok`;
  return ms === undefined ? work : `${work} in ${seconds(ms)} (${rate(evaluated, ms)})`;
}

function spared({ tiles = 0, tiles_reused = 0 }: ReplyFields['cache']): string {
  return tiles_reused > 0 ? ` (${tiles_reused} of ${tiles} tiles from features)` : '';
}

function reused(tokens: number, source: string): string {
  return tokens > 0 ? ` (${count(tokens)} from ${source})` : '';
}

/** "1,600"; the language tables that would say it for any language take longer to load than a token to make. */
function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

function seconds(ms: number): string {
  return ms < 100 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

function rate(tokens: number, ms: number): string {
  if (ms <= 0) return '- tok/s';
  const perSecond = (tokens * 1000) / ms;
  return `${perSecond > 100 ? count(Math.round(perSecond)) : Number(perSecond.toFixed(1))} tok/s`;
}
