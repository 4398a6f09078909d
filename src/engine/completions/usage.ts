// What a server says it took, as a cache report. What it does not say, or what cannot be true, is absent.
import * as z from 'zod';
import type { CacheReport } from '../engine.js';

const count = z.int().nonnegative().optional().catch(undefined);
const ms = z.number().nonnegative().optional().catch(undefined);

const usageForm = z
  .looseObject({
    prompt_tokens: count,
    completion_tokens: count,
    image_tokens: count,
    prompt_tokens_details: z
      .looseObject({ cached_tokens: count, image_tokens: count })
      .nullish()
      .catch(undefined),
  })
  .nullish()
  .catch(undefined);

/** llama-server's. */
const timingsForm = z
  .looseObject({ cache_n: count, prompt_n: count, prompt_ms: ms, predicted_n: count, predicted_ms: ms })
  .nullish()
  .catch(undefined);

export interface Took {
  cache: CacheReport;
  /** Tokens of the answer. */
  tokens?: number;
  decodeMs?: number;
}

export function tookOf(said: { usage?: unknown; timings?: unknown }): Took {
  const usage = usageForm.parse(said.usage);
  const timings = timingsForm.parse(said.timings);
  const details = usage?.prompt_tokens_details;
  const prompt = usage?.prompt_tokens ?? sum(timings?.cache_n, timings?.prompt_n);
  const cached = within(details?.cached_tokens ?? timings?.cache_n, prompt);
  const image = within(details?.image_tokens ?? usage?.image_tokens, prompt);
  const report = {
    prompt_tokens: prompt,
    prompt_tokens_reused: cached,
    image_tokens: image,
    image_tokens_reused: imageTokensReused(prompt, cached, image),
    prefill_ms: timings?.prompt_ms,
  };
  return {
    cache: { ...present(report), source: 'remote' },
    ...present({
      tokens: usage?.completion_tokens ?? timings?.predicted_n,
      decodeMs: timings?.predicted_ms,
    }),
  };
}

/**
 * clamp(cached − tokens before the images, 0, image tokens), where the tokens before them are unknown but no more than all
 * that are not the images': given only where both ends of that agree.
 */
export function imageTokensReused(
  prompt: number | undefined,
  cached: number | undefined,
  image: number | undefined,
): number | undefined {
  if (prompt === undefined || cached === undefined || image === undefined) return undefined;
  const clamp = (tokens: number): number => Math.max(0, Math.min(tokens, image));
  const [least, most] = [clamp(cached - (prompt - image)), clamp(cached)];
  return least === most ? least : undefined;
}

/** A part is no larger than its whole; one that claims to be, or whose whole is unknown, says nothing. */
function within(part: number | undefined, whole: number | undefined): number | undefined {
  return part !== undefined && whole !== undefined && part <= whole ? part : undefined;
}

function sum(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a + b;
}

function present<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}
