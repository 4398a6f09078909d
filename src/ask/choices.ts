// Choices: how the question names them, and what a result says about each.
import { AfterimageError } from '../errors.js';
import type { ChoiceWeight } from '../engine/engine.js';
import type { Choice } from './fields.js';

/** @throws AfterimageError INVALID_ARGUMENT where there is nothing to choose between, or nothing was asked. */
export function checkChoices(choices: readonly string[] | undefined, question: string | undefined): void {
  if (!choices) return;
  if (!question) {
    throw new AfterimageError('INVALID_ARGUMENT', 'Choices answer a question; say what is to be found out.');
  }
  const twice = choices.find((choice, at) => choices.indexOf(choice) !== at);
  if (twice === undefined) return;
  throw new AfterimageError('INVALID_ARGUMENT', `"${twice}" is among the choices twice; leave one out.`);
}

/** Shares of the choices, the most probable first; equals stay in their order. */
export function bestFirst(weights: readonly ChoiceWeight[]): Choice[] {
  const plain = shares(weights.map(({ logProbability }) => logProbability));
  const normalized = shares(weights.map(({ logProbability, tokens }) => logProbability / tokens));
  return weights
    .map(({ text, logProbability }, i) => ({
      text,
      probability: rounded(plain[i]!),
      length_normalized: rounded(normalized[i]!),
      log_probability: rounded(logProbability),
    }))
    .sort((a, b) => b.log_probability - a.log_probability);
}

/** softmax */
function shares(logs: readonly number[]): number[] {
  const best = Math.max(...logs);
  const parts = logs.map((log) => Math.exp(log - best));
  const whole = parts.reduce((sum, part) => sum + part, 0);
  return parts.map((part) => part / whole);
}

/** An agent pays for every digit. */
function rounded(value: number): number {
  return Number(value.toPrecision(5));
}
