// Ground types of pixels, known to every layer above: a decoded image, and one that is ready to be looked at.

/** RGB, 8 bit, row-major, `data.length === width * height * 3`. EXIF orientation already applied, alpha dropped. */
export interface RgbImage {
  width: number;
  height: number;
  data: Uint8Array;
}

/** See it as closely as the model can, however long that takes. */
export const CLOSELY = Number.MAX_SAFE_INTEGER;

/** Frames of a timeline that are seen as one: what every model here that sees timelines takes in a temporal patch. */
export const FRAMES_A_MOMENT = 2;
/** Of one timeline. */
export const MOST_FRAMES = 64;
/** Frames a second. */
export const MOST_RATE = 60;
export const LEAST_RATE = 0.001;

/** Where a picture of two frames, one above the other, stands in a timeline. */
export interface Moment {
  /** Among the moments of its timeline, from 0: those of one timeline follow each other. */
  index: number;
  /** Of the whole timeline; where they are odd, the last moment has the last one twice. */
  frames: number;
  /** Half way between its two frames, from the beginning. */
  seconds: number;
  /** Frames a second. */
  rate: number;
}

/** An image ready to be looked at. `pixels` is called only when no tier of the cache has what is needed. */
export interface ImageInput {
  /** SHA-256 (hex) of {width, height, RGB pixels}; the engine adds weights and processor to form the cache key. */
  pixelHash: string;
  width: number;
  height: number;
  /** How whoever gave it calls it: for listings, no part of what it is. */
  name?: string;
  /** See it with at most so many pixels; absent: as the engine has decided for this machine. */
  maxPixels?: number;
  /** Another process has the pixels, and may never send them: nothing may be held while they are waited for. */
  owed?: boolean;
  /** It is a moment of a timeline. */
  moment?: Moment;
  pixels(): Promise<RgbImage>;
}
