// References from arguments → pictures for a turn: loaded, checked, cut to their region before anything is scaled.
import { AfterimageError } from '../errors.js';
import { CLOSELY, FRAMES_A_MOMENT, type ImageInput } from '../image/rgb-image.js';
import {
  cropImage,
  loadImage,
  loadImages,
  register,
  type ImageContext,
  type LoadedImage,
} from '../image/load.js';
import { cut } from '../image/pixel-jobs.js';
import type { Region } from '../image/region.js';
import { checkRate, loadTimeline } from '../image/timeline.js';
import type { Call } from './call.js';
import type { Picture } from './conversations.js';

export const MOST_IMAGES = 5;
/** Frames a second, as models are trained. */
export const USUAL_RATE = 2;

interface Wanted {
  image: string;
  region?: Region;
  /** As closely as the model can, however long that takes. */
  closely?: boolean;
  /** Of a document: "3" or "2-4". */
  page?: string;
}

/**
 * In the order in which they were wanted; of a document all pages that were.
 * @throws AfterimageError TOO_MANY_IMAGES and what loading and cropping throw.
 */
export async function lookAt(call: Call, wanted: Wanted[]): Promise<Picture[]> {
  if (wanted.length > MOST_IMAGES) throw tooMany(wanted.length);
  const pictures = (await lookAtEach(call, wanted)).flat();
  if (pictures.length > MOST_IMAGES) throw tooMany(pictures.length);
  return pictures;
}

/** @param args That are of single images. @throws AfterimageError INVALID_ARGUMENT */
export function checkTimeline(rate: number | undefined, args: Record<string, unknown>): void {
  if (rate === undefined) return;
  checkRate(rate);
  const other = Object.keys(args).find((name) => args[name] !== undefined && args[name] !== false);
  if (other === undefined) return;
  throw new AfterimageError(
    'INVALID_ARGUMENT',
    `${other} is of single images and fps of a timeline; leave one of them out.`,
  );
}

function tooMany(count: number): AfterimageError {
  return new AfterimageError(
    'TOO_MANY_IMAGES',
    `A call takes at most ${MOST_IMAGES} images and got ${count}; add the others in a later call.`,
  );
}

/**
 * Frames, or one animation, as one timeline: a picture for each two frames, the first listed for all of them.
 * @param rate Frames a second.
 * @throws AfterimageError INVALID_ARGUMENT, TOO_MANY_IMAGES and as `lookAt`
 */
export async function lookAtFrames(
  { images, signal }: Looking,
  references: readonly string[],
  rate = USUAL_RATE,
): Promise<Picture[]> {
  const moments = await loadTimeline(references, rate, images, signal);
  return moments.map(({ imageId, ...input }) => ({
    imageId,
    original: { width: input.width, height: input.height / FRAMES_A_MOMENT },
    listed: input.moment.index === 0,
    input,
  }));
}

/** As `lookAt`, where each is one image: a single page of a document. @throws AfterimageError INVALID_ARGUMENT */
export async function lookAtOne(call: Call, wanted: Wanted): Promise<Picture> {
  const [picture, ...more] = await look(wanted, call);
  if (picture && more.length === 0) return picture;
  throw new AfterimageError('INVALID_ARGUMENT', 'One page is looked at here; name it, such as 2.');
}

type Looking = Pick<Call, 'images' | 'drawings' | 'signal'>;

/** As `lookAt`, for doors that count for themselves: the pictures of each that was wanted. */
export async function lookAtEach(call: Looking, wanted: Wanted[]): Promise<Picture[][]> {
  const pictures: Picture[][] = [];
  // One after the other: decoding several large images at once would multiply the peak of memory.
  for (const image of wanted) pictures.push(await look(image, call));
  return pictures;
}

async function look(wanted: Wanted, call: Looking): Promise<Picture[]> {
  const pictures: Picture[] = [];
  for (const image of await load(wanted, call)) pictures.push(await shownOf(image, wanted, call));
  return pictures;
}

async function shownOf(
  image: LoadedImage,
  { region, closely }: Wanted,
  { images }: Looking,
): Promise<Picture> {
  const { imageId, width, height, page } = image;
  const shown = region ? await cropImage(image, region) : image;
  return {
    imageId,
    original: { width, height },
    region,
    listed: true,
    ...(page && { page }),
    input: remembered(closely ? { ...shown, maxPixels: CLOSELY } : shown, image, region, images),
  };
}

/** Pictures that were drawn for results may be looked at like any image. */
async function load(
  { image: reference, page }: Wanted,
  { images, drawings, signal }: Looking,
): Promise<LoadedImage[]> {
  const drawing = drawings.named(reference);
  return drawing
    ? [await register(drawing, 'The drawn picture', images)]
    : loadImages(reference, images, { page, signal });
}

/** A part of a picture for the model alone: results do not list it. */
export async function part(picture: Picture, region: Region, images: ImageContext): Promise<Picture> {
  const shown = await cropImage(picture.input, region);
  const whole = { imageId: picture.imageId, name: picture.input.name };
  return { ...picture, region, listed: false, input: remembered(shown, whole, region, images) };
}

/** Conversations outlive calls: they hold an image by its id, and the store bounds how many bytes stay in memory. */
function remembered(
  shown: ImageInput,
  { imageId, name }: Pick<LoadedImage, 'imageId'> & { name?: string },
  region: Region | undefined,
  context: ImageContext,
): ImageInput {
  const { pixelHash, width, height, maxPixels } = shown;
  const whole = async () => (await loadImage(imageId, context)).pixels();
  return {
    pixelHash,
    width,
    height,
    ...(maxPixels !== undefined && { maxPixels }),
    ...(name !== undefined && {
      name: region ? `${name} [${region.x}, ${region.y}, ${region.width}, ${region.height}]` : name,
    }),
    pixels: region ? async () => cut({ image: await whole(), region }) : whole,
  };
}
