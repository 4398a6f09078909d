// The one way in: a reference as tools receive it → an image with its handle, identity and, when asked for, pixels.
import { AfterimageError } from '../errors.js';
import type { ImageInput } from './rgb-image.js';
import type { RgbImage } from './rgb-image.js';
import { ByteLru } from './byte-lru.js';
import { DEFAULT_LIMITS, type AlphaHandling, type ImageLimits } from './limits.js';
import type { UrlPolicy } from './download.js';
import { DEFAULT_STORE_BYTES, ImageStore } from './image-store.js';
import { bytesHash, imageIdIn, isImageId, PixelMemo, type PixelIdentity } from './key.js';
import { FilePolicy } from './policy.js';
import { cropped, decoded, hashOf, identified } from './pixel-jobs.js';
import { checkRegion, type Region } from './region.js';
import type { PictureShelf } from './shelf.js';
import { readSource } from './source.js';

/** Everything that images of one server or one command share. */
export interface ImageContext {
  files: FilePolicy;
  /** Absent: nothing is fetched from the web. */
  urls?: UrlPolicy;
  limits: ImageLimits;
  store: ImageStore;
  /** Where pictures lie that another program of this user looked at. */
  shelf?: PictureShelf;
  memo: PixelMemo;
  /** By hash of the encoded bytes: who asks for a picture that is being decoded waits for that. */
  identifying: Map<string, Promise<PixelIdentity>>;
  /** Pixels decoded lately, by pixel hash: decoding for the hash must not be followed by decoding for the model. */
  decoded: ByteLru<RgbImage>;
  cwd?: string;
  /** Whether the reference "clipboard" is read. */
  clipboard: boolean;
  /** Dropped only to see what a reference implementation sees. */
  alpha: AlphaHandling;
}

export interface LoadedImage extends ImageInput {
  imageId: string;
  /** How people and messages call it. */
  name: string;
  /** Encoded bytes as they were read. */
  bytes: Uint8Array;
}

/** Bytes that are hashed sooner than another thread would begin to. */
const AT_ONCE = 2 ** 18;

const DECODED_BYTES = 128 * 1024 * 1024;

export function createImageContext(options: {
  /** Absolute paths, or 'everywhere'. */
  folders: readonly string[] | 'everywhere';
  urls?: UrlPolicy;
  limits?: Partial<ImageLimits>;
  storeBytes?: number;
  cwd?: string;
  clipboard?: boolean;
  alpha?: AlphaHandling;
  shelf?: PictureShelf;
}): ImageContext {
  return {
    files: new FilePolicy(options.folders),
    urls: options.urls,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    store: new ImageStore(options.storeBytes ?? DEFAULT_STORE_BYTES),
    shelf: options.shelf,
    memo: new PixelMemo(),
    identifying: new Map(),
    decoded: new ByteLru(DECODED_BYTES),
    cwd: options.cwd,
    clipboard: options.clipboard ?? false,
    alpha: options.alpha ?? 'composed',
  };
}

/** @throws AfterimageError with the code of what is wrong with the reference, the policy or the image. */
export async function loadImage(
  reference: string,
  context: ImageContext,
  signal?: AbortSignal,
): Promise<LoadedImage> {
  // A mistyped handle is no path to an agent; a person may have a file of that name.
  const id = imageIdIn(reference);
  if (id !== undefined && (isImageId(id) || context.cwd === undefined)) {
    const shelved = context.store.has(id) ? undefined : await fromShelf(id, context);
    if (shelved) return shelved;
    const { bytes, name, ...identity } = context.store.get(id);
    return { ...identity, bytes, name, pixels: () => pixelsOf(identity.pixelHash, bytes, name, context) };
  }
  const { bytes, name } = await readSource(reference, { ...context, signal });
  return register(bytes, name, context);
}

/** Undefined where nothing lies under the id, or something else. */
async function fromShelf(id: string, context: ImageContext): Promise<LoadedImage | undefined> {
  const bytes = isImageId(id) ? await context.shelf?.get(id) : undefined;
  if (!bytes) return undefined;
  const image = await register(bytes, 'The picture', context).catch((error: unknown) => {
    if (error instanceof AfterimageError) return undefined;
    throw error;
  });
  return image?.imageId === id ? image : undefined;
}

/** Gives bytes that are already here a handle. @throws AfterimageError as `decode`. */
export async function register(bytes: Uint8Array, name: string, context: ImageContext): Promise<LoadedImage> {
  const hash = bytes.length > AT_ONCE ? await hashOf(bytes) : bytesHash(bytes);
  const identity = context.memo.get(hash) ?? (await identifiedOnce(hash, bytes, name, context));
  const { imageId } = context.store.put(bytes, name, identity);
  return {
    ...identity,
    imageId,
    bytes,
    name,
    pixels: () => pixelsOf(identity.pixelHash, bytes, name, context),
  };
}

async function identifiedOnce(hash: string, bytes: Uint8Array, name: string, context: ImageContext) {
  const { identifying } = context;
  const begun = identifying.get(hash);
  // Whoever began it may call the picture otherwise, so what was wrong with it is found, and told, anew.
  if (begun) return begun.catch(() => identify(hash, bytes, name, context));
  const identity = identify(hash, bytes, name, context);
  identifying.set(hash, identity);
  try {
    return await identity;
  } finally {
    identifying.delete(hash);
  }
}

async function identify(hash: string, bytes: Uint8Array, name: string, context: ImageContext) {
  const { limits, alpha } = context;
  const { identity, image } = await identified({ bytes, name, limits, alpha });
  context.memo.set(hash, identity);
  context.decoded.set(identity.pixelHash, image, image.data.length);
  return identity;
}

async function pixelsOf(
  pixelHash: string,
  bytes: Uint8Array,
  name: string,
  context: ImageContext,
): Promise<RgbImage> {
  const known = context.decoded.get(pixelHash);
  if (known) return known;
  const { limits, alpha } = context;
  const image = await decoded({ bytes, name, limits, alpha });
  context.decoded.set(pixelHash, image, image.data.length);
  return image;
}

/** The part of an image as an image of its own, with its own identity. @throws AfterimageError INVALID_REGION */
export async function cropImage(image: ImageInput, region: Region): Promise<ImageInput> {
  checkRegion(region, image);
  const { identity, image: part } = await cropped({ image: await image.pixels(), region });
  return { ...identity, pixels: async () => part };
}
