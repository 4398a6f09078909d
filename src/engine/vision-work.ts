// Resizes an image and cuts it into the rows that a vision encoder reads. Runs in worker threads: a photo takes seconds.
import type { RgbImage } from '../image/rgb-image.js';
import { chosenProcessor, type ImageDetail } from './chosen-processor.js';
import type { ImagePlan, NamedTensor, Processor } from '../models/family.js';
import type { TokenIds } from '../models/checkpoint/checkpoint.js';
import { reading } from '../models/checkpoint/plain-file.js';
import { openAlone } from '../models/one-family.js';
import { AfterimageError } from '../errors.js';

/** What a processor is made of. */
export interface ProcessorSource extends ImageDetail {
  folder: string;
  /** Where its vision weights lie, if not there. */
  vision?: string;
  /** Of its tokenizer, so that this need not be parsed in every thread. */
  tokenIds?: TokenIds;
}

export interface VisionJob extends ProcessorSource {
  /** Most pixels of this image, where it has a limit of its own. */
  limit?: number;
  /** Of the processor that made the plan. */
  identity: string;
  image: RgbImage;
  plan: ImagePlan;
}

/** A processor is code and settings, which cannot be sent: each thread makes its own from the checkpoint. */
let known: { key: string; processor: Processor } | undefined;

/** By input name of the vision program. @throws AfterimageError MODEL_CHANGED when the checkpoint has other settings now */
export async function visionInputs({
  folder,
  vision,
  maxPixels,
  imageTokens,
  tokenIds,
  limit,
  identity,
  image,
  plan,
}: VisionJob): Promise<Record<string, NamedTensor>> {
  const key = JSON.stringify([folder, vision, maxPixels, imageTokens, limit, identity]);
  if (known?.key !== key) {
    const chosen = chosenProcessor((await openAlone(folder, tokenIds, vision)).model, {
      maxPixels,
      imageTokens,
    });
    const processor = limit === undefined ? chosen : chosen.limitedTo(limit);
    if (processor.identity !== identity) {
      throw new AfterimageError(
        'MODEL_CHANGED',
        `The settings in "${folder}" are not those that were loaded; restart, so that they are loaded anew.`,
      );
    }
    known = { key, processor };
  }
  const { processor } = known;
  return ownedByThisImage(reading(folder, () => processor.inputs(image, plan)));
}

/** What a job returns is taken from this thread: tables that a processor makes once and keeps are copied, pixels are not. */
function ownedByThisImage(inputs: Record<string, NamedTensor>): Record<string, NamedTensor> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, tensor]) => [
      name,
      name === 'pixel_values' ? tensor : { ...tensor, data: tensor.data.slice() },
    ]),
  );
}
