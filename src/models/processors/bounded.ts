// No settings make a picture larger than pictures are: arrays of its size are made before any tensor disagrees.
import { AfterimageError } from '../../errors.js';
import type { ImagePlan, Processor } from '../family.js';

/** More than twice the largest picture that is decoded. */
const MOST_PIXELS = 2 ** 28;

/** The same, but for plans that no machine could follow. */
export function bounded(processor: Processor): Processor {
  const { budgets, planMoment } = processor;
  return {
    ...processor,
    plan: (width, height) => followed(processor.plan(width, height)),
    ...(planMoment && {
      planMoment: (width, height, moment) => followed(planMoment(width, height, moment)),
    }),
    limitedTo: (maxPixels) => bounded(processor.limitedTo(maxPixels)),
    ...(budgets && { budgets: { ...budgets, at: (tokens: number) => bounded(budgets.at(tokens)) } }),
  };
}

/** @throws AfterimageError INVALID_CHECKPOINT */
function followed(plan: ImagePlan): ImagePlan {
  const { viewedWidth, viewedHeight } = plan;
  if (viewedWidth * viewedHeight <= MOST_PIXELS) return plan;
  throw new AfterimageError(
    'INVALID_CHECKPOINT',
    `The checkpoint's settings make ${viewedWidth}×${viewedHeight} pixels of an image, more than any model looks at; download the checkpoint again.`,
  );
}
