// An answer of the engine as chat completions show it: whole, or in chunks. What is not known is left out.
import type { Answer, StopReason, TokenCertainty } from '../engine/engine.js';

export interface Heading {
  id: string;
  created: number;
  model: string;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens?: number; image_tokens?: number };
}

type FinishReason = 'stop' | 'length';

export function completion(heading: Heading, answer: Answer, logprobs: boolean) {
  return {
    ...heading,
    object: 'chat.completion' as const,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant' as const,
          content: answer.text,
          ...(answer.thinking !== undefined && { reasoning_content: answer.thinking }),
          refusal: null,
        },
        logprobs: logprobs ? logprobsOf(answer) : null,
        ...finish(answer.stopReason),
      },
    ],
    ...usageField(answer),
  };
}

export interface Delta {
  role?: 'assistant';
  content?: string;
  /** What the model thinks before it answers, as vLLM calls it. */
  reasoning_content?: string;
}

export function chunk(heading: Heading, delta: Delta, more: Record<string, unknown> = {}) {
  return {
    ...heading,
    object: 'chat.completion.chunk' as const,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: null, ...more }],
  };
}

export function usageChunk(heading: Heading, answer: Answer) {
  return { ...heading, object: 'chat.completion.chunk' as const, choices: [], ...usageField(answer) };
}

/** `stop_reason`, as vLLM has it, says what chat completions have no word for. */
export function finish(reason: StopReason): { finish_reason: FinishReason; stop_reason: string | null } {
  const known = reason === 'end' || reason === 'length';
  return {
    finish_reason: reason === 'length' || reason === 'cancelled' ? 'length' : 'stop',
    stop_reason: known ? null : reason,
  };
}

/** Undefined where the engine does not report what it took. */
export function usageOf({ cache, tokenIds, tokens = tokenIds.length }: Answer): Usage | undefined {
  const { prompt_tokens, prompt_tokens_reused: cached_tokens, image_tokens } = cache;
  if (prompt_tokens === undefined) return undefined;
  return {
    prompt_tokens,
    completion_tokens: tokens,
    total_tokens: prompt_tokens + tokens,
    prompt_tokens_details: {
      ...(cached_tokens !== undefined && { cached_tokens }),
      ...(image_tokens !== undefined && { image_tokens }),
    },
  };
}

function usageField(answer: Answer): { usage?: Usage } {
  const usage = usageOf(answer);
  return usage ? { usage } : {};
}

export interface TokenLogprob {
  token: string;
  logprob: number;
  bytes: number[];
  top_logprobs: never[];
}

/** The least that JSON can say: the logarithm of nothing. */
const LEAST = -9999;

export function logprobsOf({ text, certainty = [] }: Pick<Answer, 'text' | 'certainty'>): {
  content: TokenLogprob[];
  refusal: null;
} {
  const content = pieces(text, certainty).map(({ token, probability }) => ({
    token,
    logprob: probability > 0 ? Math.log(probability) : LEAST,
    bytes: [...Buffer.from(token)],
    top_logprobs: [] as never[],
  }));
  return { content, refusal: null };
}

/** The text of each token; what came after the last one is its. */
function pieces(text: string, certainty: TokenCertainty[]): { token: string; probability: number }[] {
  return certainty.map(({ end, probability }, index) => {
    const from = certainty[index - 1]?.end ?? 0;
    const to = index === certainty.length - 1 ? text.length : end;
    return { token: text.slice(from, to), probability };
  });
}
