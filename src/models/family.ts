// What a model family is: one file that turns config.json into two programs, a processor and prompt rules.
import type { Program } from '../graph/program.js';
import type { BoxScale } from '../image/region.js';
import type { Moment, RgbImage } from '../image/rgb-image.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';

/** A named input of the vision program. Row-major. */
export interface NamedTensor {
  data: Float32Array | Int32Array;
  rows: number;
  width: number;
}

/** What an image of a given size becomes, known without its pixels. */
export interface ImagePlan {
  /** Image tokens: feature rows the vision program yields for this image. */
  tokens: number;
  /** Size of what the model sees (resized, before tiling), for coordinates and for people. */
  viewedWidth: number;
  viewedHeight: number;
  /** Merged grid for M-RoPE positions, where the family has one. */
  grid?: Grid;
  /** Row counts of the vision program by symbol ("patches", "tokens", "segments", …), for memory prediction. */
  symbols: Record<string, number>;
  /** Text that replaces the template's placeholder, one `imageToken` per feature row among literal markers. */
  placeholder: string;
  /** Marks around the image's number in the prompt, from 0, where that stands in front of `placeholder`. */
  numbered?: [begin: string, end: string];
  /** Fields recorded in goldens' `layout`. */
  layout: Record<string, unknown>;
  /** Of a moment of a timeline. */
  moment?: MomentPlan;
}

/** `later`: of a block that goes on; how many steps of time it stands behind the block's beginning. */
export interface Grid {
  t: number;
  h: number;
  w: number;
  later?: number;
}

/** What is particular to a picture of two frames. */
export interface MomentPlan {
  /** The timeline has begun before: its moments share one placeholder of the template's. */
  continues: boolean;
}

export interface Processor {
  /** Everything that changes pixels or layout: part of the image key. Stable JSON. */
  identity: string;
  /** How much a pixel value changes, at most, when its 8-bit value changes by one: the largest rescale / std of the channels. */
  pixelStep: number;
  /** @throws AfterimageError IMAGE_UNSUPPORTED when the reference rejects the size (aspect ratio over 200, …). */
  plan(width: number, height: number): ImagePlan;
  /**
   * Of two frames, each of this size, at that moment of a timeline; absent where the family sees none.
   * @throws AfterimageError as `plan`
   */
  planMoment?(width: number, height: number, moment: Moment): ImagePlan;
  /** Pixels and index tables of the vision program, by input name. `pixel_values` is as the reference returns it. */
  inputs(image: RgbImage, plan: ImagePlan): Record<string, NamedTensor>;
  /**
   * The same for images viewed with at most `maxPixels` pixels, or with as few as the rule and the image's shape allow:
   * fewer image tokens, less memory, less detail. No image is viewed larger than without the limit.
   */
  limitedTo(maxPixels: number): Processor;
  /** Numbers of image tokens the family is trained with, where they are a choice, and the processor for one of them. */
  budgets?: { tokens: number[]; at(tokens: number): Processor };
}

/** A real checkpoint and its size. */
export interface FamilyCheckpoint {
  name: string;
  parameters: number;
  /** Of these, those of the vision and audio towers, which converters leave in 16 bits. */
  towerParameters: number;
}

/** How a span of image tokens may be cut, matched and seen. */
export type ImageVisibility = 'causal' | 'block' | 'prefix';

export interface Model {
  modelType: string;
  vision: Program;
  decoder: Program;
  /** The decoder's own head for guesses, where the checkpoint has one. */
  mtp?: Program;
  processor: Processor;
  /** 1, or 3 for M-RoPE. */
  positionAxes: 1 | 3;
  /** String of the placeholder that the chat template emits for an image, and the id whose rows are replaced. */
  imagePlaceholder: string;
  imageToken: string;
  imageTokenId: number;
  /** The same for moments of a timeline, where the family sees those. */
  videoTokenId?: number;
  /** causal: any cut is exact. block: an image's tokens see each other. prefix: image and prompt see each other. */
  visibility: ImageVisibility;
  eosTokenIds: number[];
  /** Boxes in answers: how the model writes them, or null if it does not ground. */
  boxes: ModelBoxes | null;
  /** Renders prompts of families without a chat template (PaliGemma). */
  renderPrompt?: (turns: { text: string; images: number }[]) => string;
  /** Chat template where the checkpoint has none. */
  chatTemplate?: string;
  /** What stands for an image in the template's source, and the placeholder that is written instead: of templates that number them. */
  templateImage?: { pattern: string; instead: string };
  /** Variables of the chat template, in place of those that ask a model not to think aloud. */
  templateSwitches?: Record<string, unknown>;
  contextLength: number;
}

/** What coordinates in its answers count, and whether it was trained to write lines of text with their boxes. */
export interface ModelBoxes {
  scale: BoxScale;
  lines: boolean;
}

export interface Family {
  /** `model_type` values of config.json this family reads. */
  modelTypes: string[];
  /** What its models are best at, in a few words. */
  bestAt: string;
  /** Checkpoints known to work, for `afterimage models`. */
  checkpoints: FamilyCheckpoint[];
  /** @throws AfterimageError INVALID_CHECKPOINT naming the missing key, tensor or wrong shape. */
  build(checkpoint: Checkpoint): Model;
}
