// How large a picture may be seen so that a question about a screen this machine has not seen yet is answered in time:
// measured with small pictures when a model is loaded for the first time, then remembered.
import type { Processor } from '../models/family.js';

/** The picture that must be answered in time, and fit. */
export const SCREEN = { width: 1280, height: 800 };
/** Without so many tokens of an answer nobody is helped. */
const ANSWER_TOKENS = 64;
/** Of the time for a call; the rest is for loading, measuring, and a machine that is busier than it was. */
const SHARE = 0.5;
/** Steps of the picture's area, each 1/√2 of the one before. */
const STEPS = 8;

/** One look at a screen. */
export interface Timed {
  /** Encoding the picture and reading the prompt. */
  lookMs: number;
  /** Each token of the answer. */
  tokenMs: number;
}

/** A size in which a screen can be seen. */
export interface Step {
  /** Undefined: no limit. */
  maxPixels: number | undefined;
  /** Image tokens of a screen. */
  tokens: number;
}

/**
 * @param steps Of the ladder.
 * @param answerMs Time for a call.
 * @param look Looks at a screen with at most so many pixels.
 * @returns the most pixels with which a screen is answered in time, the fewest where none is; undefined: no limit needed
 */
export async function usualPixels(
  steps: readonly Step[],
  answerMs: number,
  look: (maxPixels: number) => Promise<Timed>,
): Promise<number | undefined> {
  const [whole, smallest] = [steps[0]!, steps.at(-1)!];
  if (smallest.maxPixels === undefined) return undefined;
  const first = await look(smallest.maxPixels);
  const time = answerMs * SHARE - ANSWER_TOKENS * first.tokenMs;
  const growth = whole.tokens / smallest.tokens;
  // Attention grows with the square of the tokens, nothing grows faster.
  if (first.lookMs * growth ** 2 <= time) return undefined;
  const double = steps.findLast(({ tokens }) => tokens >= 2 * smallest.tokens) ?? whole;
  if (double.maxPixels === undefined || 4 * first.lookMs > time) return smallest.maxPixels;
  const second = await look(double.maxPixels);
  const predicted = curve([smallest.tokens, first.lookMs], [double.tokens, second.lookMs]);
  return (steps.find(({ tokens }) => predicted(tokens) <= time) ?? smallest).maxPixels;
}

/** From the whole picture down, without steps that change nothing. */
export function ladder(processor: Processor): Step[] {
  const tokensOf = (seen: Processor): number => seen.plan(SCREEN.width, SCREEN.height).tokens;
  const steps: Step[] = [{ maxPixels: undefined, tokens: tokensOf(processor) }];
  for (let step = 0; step <= STEPS; step++) {
    const maxPixels = Math.floor((SCREEN.width * SCREEN.height) / 2 ** (step / 2));
    const tokens = tokensOf(processor.limitedTo(maxPixels));
    if (tokens < steps.at(-1)!.tokens) steps.push({ maxPixels, tokens });
  }
  return steps;
}

type Point = [tokens: number, ms: number];

/** a·n + b·n² through both points, neither part negative. */
function curve([n, t]: Point, [m, u]: Point): (tokens: number) => number {
  const square = Math.max(0, (u / m - t / n) / (m - n));
  const straight = square > 0 ? Math.max(0, t / n - square * n) : u / m;
  return (tokens) => straight * tokens + square * tokens ** 2;
}
