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
import { checkPage, isPdf, MOST_PAGES, pageRange, pdfPage, withPages, type PageRange } from './pdf-pages.js';
import { cropped, decoded, encoded, hashOf, identified } from './pixel-jobs.js';
import { checkRegion, type Region } from './region.js';
import type { PictureShelf } from './shelf.js';
import { readSource, type SourceBytes } from './source.js';

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
  /** Pages of documents that were drawn: their image_id, by the document's bytes and the page. */
  pages: ByteLru<{ imageId: string; of: number }>;
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
  /** Of a document: which page it is, counted from 1, and of how many. */
  page?: PageOf;
}

export interface PageOf {
  number: number;
  of: number;
}

/** Bytes that are hashed sooner than another thread would begin to. */
const AT_ONCE = 2 ** 18;

const DECODED_BYTES = 128 * 1024 * 1024;
const KNOWN_PAGES = 4096;

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
    pages: new ByteLru(KNOWN_PAGES),
    cwd: options.cwd,
    clipboard: options.clipboard ?? false,
    alpha: options.alpha ?? 'composed',
  };
}

/**
 * One image; of a document the page that the reference names, or the first.
 * @throws AfterimageError with the code of what is wrong with the reference, the policy or the image.
 */
export async function loadImage(
  reference: string,
  context: ImageContext,
  signal?: AbortSignal,
): Promise<LoadedImage> {
  const [image, ...more] = await loadImages(reference, context, { signal });
  if (image && more.length === 0) return image;
  throw new AfterimageError('INVALID_ARGUMENT', 'One page is looked at here; name it, as in "#page=2".');
}

/**
 * An image, or pages of a document.
 * @param options `page`: "3" or "2-4", in place of what the reference says; absent: the first.
 * @throws AfterimageError as `loadImage`, and TOO_MANY_IMAGES
 */
export async function loadImages(
  reference: string,
  context: ImageContext,
  { page, signal }: { page?: string; signal?: AbortSignal } = {},
): Promise<LoadedImage[]> {
  const named = withPages(reference, context.cwd);
  const wanted = page ?? named.page;
  const range = wanted === undefined ? undefined : pageRange(wanted);
  const known = await knownImage(named.reference, context);
  const { bytes, name } = known ?? (await readSource(named.reference, { ...context, signal }));
  if (!known && isPdf(bytes)) {
    return pagesOf({ bytes, name }, range ?? { first: 1, last: 1 }, context, signal);
  }
  if (range && range.last > 1) throw noPages(name);
  return [known ?? (await register(bytes, name, context))];
}

/**
 * What bytes that are already here show: a picture, or the first pages of a document, as many as a call may have.
 * @throws AfterimageError as `decode`
 */
export async function registerAll(
  bytes: Uint8Array,
  name: string,
  context: ImageContext,
  signal?: AbortSignal,
): Promise<LoadedImage[]> {
  if (!isPdf(bytes)) return [await register(bytes, name, context)];
  const [first] = await pagesOf({ bytes, name }, { first: 1, last: 1 }, context, signal);
  const last = Math.min(first!.page!.of, MOST_PAGES);
  return pagesOf({ bytes, name }, { first: 1, last }, context, signal);
}

/** One that was looked at before, where the reference is an image_id. */
async function knownImage(reference: string, context: ImageContext): Promise<LoadedImage | undefined> {
  // A mistyped handle is no path to an agent; a person may have a file of that name.
  const id = imageIdIn(reference);
  if (id !== undefined && (isImageId(id) || context.cwd === undefined)) {
    const shelved = context.store.has(id) ? undefined : await fromShelf(id, context);
    if (shelved) return shelved;
    return stored(id, context);
  }
  return undefined;
}

function noPages(name: string): AfterimageError {
  return new AfterimageError(
    'INVALID_ARGUMENT',
    `${name} is a picture and has no pages; leave page out, or name the document.`,
  );
}

async function pagesOf(
  { bytes, name }: SourceBytes,
  { first, last }: PageRange,
  context: ImageContext,
  signal?: AbortSignal,
): Promise<LoadedImage[]> {
  const document = { bytes, name, hash: await hashed(bytes) };
  const pages: LoadedImage[] = [];
  for (let number = first; number <= last; number++) {
    const page = await pageOf(document, number, context, signal);
    checkPage(name, last, page.page!.of);
    pages.push(page);
  }
  return pages;
}

async function pageOf(
  { bytes, name, hash }: SourceBytes & { hash: string },
  number: number,
  context: ImageContext,
  signal?: AbortSignal,
): Promise<LoadedImage> {
  const key = `${hash} ${number}`;
  const known = context.pages.get(key);
  if (known && context.store.has(known.imageId)) {
    return { ...stored(known.imageId, context), page: { number, of: known.of } };
  }
  const { maxPixels: mostPixels } = context.limits;
  const { count: of, image } = await pdfPage({ bytes, name, page: number, mostPixels }, { signal });
  const { identity, png, hash: pngHash } = await encoded(image);
  context.memo.set(pngHash, identity);
  context.decoded.set(identity.pixelHash, image, image.data.length);
  const { imageId } = context.store.put(png, `${name}, page ${number}`, identity);
  context.pages.set(key, { imageId, of }, 1);
  return { ...stored(imageId, context), page: { number, of } };
}

/** @throws AfterimageError UNKNOWN_IMAGE */
function stored(id: string, context: ImageContext): LoadedImage {
  const { bytes, name, ...identity } = context.store.get(id);
  return { ...identity, bytes, name, pixels: () => pixelsOf(identity.pixelHash, bytes, name, context) };
}

async function hashed(bytes: Uint8Array): Promise<string> {
  return bytes.length > AT_ONCE ? hashOf(bytes) : bytesHash(bytes);
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
  const hash = await hashed(bytes);
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
  const { alpha } = context;
  // They were checked when they came, and a page that was drawn has no size of a file.
  const limits = { ...context.limits, maxBytes: Infinity };
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
