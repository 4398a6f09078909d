// How large the user wants images looked at: fewer pixels, or another of the numbers of image tokens that a family offers.
import { AfterimageError } from '../errors.js';
import type { Model, Processor } from '../models/family.js';

export interface ImageDetail {
  /** Largest size in which an image is looked at, in pixels. */
  maxPixels?: number;
  /** Image tokens of one image, where the family has a choice of budgets. */
  imageTokens?: number;
}

/** @throws AfterimageError INVALID_ARGUMENT where the family has no such budget. */
export function chosenProcessor(
  { processor, modelType }: Pick<Model, 'processor' | 'modelType'>,
  { maxPixels, imageTokens }: ImageDetail,
): Processor {
  const chosen = imageTokens === undefined ? processor : budgeted(processor, modelType, imageTokens);
  return maxPixels === undefined ? chosen : chosen.limitedTo(maxPixels);
}

function budgeted({ budgets }: Processor, modelType: string, tokens: number): Processor {
  if (budgets?.tokens.includes(tokens)) return budgets.at(tokens);
  const instead = budgets
    ? `give ${budgets.tokens.slice(0, -1).join(', ')} or ${budgets.tokens.at(-1)}`
    : 'leave it out; --max-pixels makes images smaller with every model';
  throw new AfterimageError(
    'INVALID_ARGUMENT',
    `--image-tokens ${tokens} is not a budget that ${modelType} has; ${instead}.`,
  );
}
