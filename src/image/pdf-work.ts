// One page of a PDF → RGB pixels, by PDFium compiled to WebAssembly. Runs in a thread of its own (`pdf-pages.ts`), which
// is ended where it takes too long. Each document gets an instance of its own that is dropped with it: what one document
// does to its memory no other sees. PDFium is built without JavaScript and reaches neither files nor the network.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { PDFium } from '@hyzyla/pdfium/dist/vendor/pdfium.js';
import { AfterimageError } from '../errors.js';
import { sharedBytes } from '../workers/shared-bytes.js';
import type { Size } from './region.js';
import type { RgbImage } from './rgb-image.js';

export interface PdfPage {
  /** Pages of the whole document. */
  count: number;
  /** The page, upright, on white. */
  image: RgbImage;
}

export interface PdfRequest {
  bytes: Uint8Array;
  /** How messages call it. */
  name: string;
  /** From 1. */
  page: number;
  mostPixels: number;
}

/** Pixels that every page gets at least: A4 at 150 dots an inch, where small print can be read. */
const USUAL_PIXELS = 2_200_000;
/** Larger sheets get as many pixels an inch as A4, up to these. */
const MOST_PIXELS = 8_000_000;
/** Pixels a point (1/72 inch): of a sheet that is larger, and at most. */
const LARGE_SCALE = 2;
const MOST_SCALE = 4;
const LONGEST_SIDE = 16_384;

/** Of one instance. A page of MOST_PIXELS takes 32 MB, and so may each picture on it. */
const MOST_MEMORY = 512 * 2 ** 20;

/** What the module exports beside what its types say. */
type Module = PDFium & { _FPDF_GetFormType(document: number): number };

/** The part of it that is used here; Node's types leave it to those of browsers. */
interface Wasm {
  compile(bytes: Uint8Array): Promise<object>;
  instantiate(compiled: object, imports: object): Promise<object>;
}

const { WebAssembly: wasm } = globalThis as unknown as { WebAssembly: Wasm };

let compiled: object | undefined;

/** Compiling takes some tenths of a second, which are no document's. */
export async function ready(): Promise<void> {
  const file = createRequire(import.meta.url).resolve('@hyzyla/pdfium/pdfium.wasm');
  compiled ??= await wasm.compile(readFileSync(file));
}

/** @throws AfterimageError DOCUMENT_LOCKED, DOCUMENT_UNREADABLE, DOCUMENT_UNSUPPORTED, DOCUMENT_TOO_COMPLEX, PAGE_NOT_FOUND */
export async function rendered(request: PdfRequest): Promise<PdfPage> {
  const memory = { exceeded: false };
  try {
    const pdfium = await instance(memory);
    const page = render(pdfium, request);
    // What it got no memory for it leaves out.
    if (memory.exceeded) throw new Error('drawn in part');
    return page;
  } catch (cause) {
    if (cause instanceof AfterimageError) throw cause;
    const { name } = request;
    if (memory.exceeded) throw tooComplex(name, `more than ${MOST_MEMORY / 2 ** 20} MB of memory`, cause);
    throw damaged(name, cause);
  }
}

/** @param memory Told when more than MOST_MEMORY was wanted; what wanted it fails. */
async function instance(memory: { exceeded: boolean }): Promise<Module> {
  const { PDFiumModule } = await import('@hyzyla/pdfium');
  const pdfium = (await PDFiumModule({
    instantiateWasm: (imports, done) => {
      const env = imports['env'] as { emscripten_resize_heap: (size: number) => number };
      const grow = env.emscripten_resize_heap;
      env.emscripten_resize_heap = (size) => {
        if (size >>> 0 <= MOST_MEMORY) return grow(size);
        memory.exceeded = true;
        return 0;
      };
      void wasm.instantiate(compiled!, imports).then(done as unknown as (made: object) => void);
      return {};
    },
  })) as Module;
  pdfium._FPDF_InitLibraryWithConfig({});
  return pdfium;
}

function render(pdfium: Module, { bytes, name, page, mostPixels }: PdfRequest): PdfPage {
  const document = load(pdfium, bytes, name);
  const count = pdfium._FPDF_GetPageCount(document);
  if (count < 1) throw damaged(name, 'it has no pages');
  if (page > count) throw noSuchPage(name, page, count);
  const form = formOf(pdfium, document, name);
  const loaded = pdfium._FPDF_LoadPage(document, page - 1);
  if (!loaded) throw damaged(name, `page ${page} cannot be loaded`);
  const size = { width: pdfium._FPDF_GetPageWidth(loaded), height: pdfium._FPDF_GetPageHeight(loaded) };
  return { count, image: draw(pdfium, loaded, form, pixelsFor(size, mostPixels)) };
}

function load(pdfium: Module, bytes: Uint8Array, name: string): number {
  const document = pdfium._FPDF_LoadMemDocument(copied(pdfium, bytes), bytes.length, 0);
  if (document) return document;
  const error = pdfium._FPDF_GetLastError();
  const LOCKED = 4;
  const SECURITY = 5;
  if (error === LOCKED || error === SECURITY) {
    throw new AfterimageError(
      'DOCUMENT_LOCKED',
      `${name} is protected by a password; save it without one, or give a picture of the page.`,
    );
  }
  throw damaged(name, `PDFium says error ${error}`);
}

function copied(pdfium: Module, bytes: Uint8Array): number {
  const at = pdfium.wasmExports.malloc(bytes.length);
  if (at === 0) throw new Error('no memory for the document');
  pdfium.HEAPU8.set(bytes, at);
  return at;
}

const NO_FORM = 0;
/** A form whose pages are made by the reader's program; what is stored as pages only says so. */
const DYNAMIC_XFA = 2;
/** Bytes of FPDF_FORMFILLINFO, and more. */
const FORM_BYTES = 256;

/** What draws the fields of a form; undefined where there are none. */
function formOf(pdfium: Module, document: number, name: string): number | undefined {
  const type = pdfium._FPDF_GetFormType(document);
  if (type === DYNAMIC_XFA) {
    throw new AfterimageError(
      'DOCUMENT_UNSUPPORTED',
      `${name} is an XFA form, which only Adobe's programs show; print it into a plain PDF first.`,
    );
  }
  if (type === NO_FORM) return undefined;
  const info = copied(pdfium, new Uint8Array(FORM_BYTES));
  new DataView(pdfium.HEAPU8.buffer).setUint32(info, 2, true);
  return pdfium._FPDFDOC_InitFormFillEnvironment(document, info) || undefined;
}

/** @returns whole pixels, in the page's proportions; a side that is no length counts as a point */
function pixelsFor(page: Size, mostPixels: number): Size {
  const [width, height] = [page.width, page.height].map((side) =>
    side > 0 && side < Infinity ? side : 1,
  ) as [number, number];
  const area = width * height;
  const usual = Math.sqrt(USUAL_PIXELS / area);
  const large = Math.min(LARGE_SCALE, Math.sqrt(MOST_PIXELS / area));
  const scale = Math.min(
    Math.max(usual, large),
    MOST_SCALE,
    LONGEST_SIDE / Math.max(width, height),
    Math.sqrt(mostPixels / area),
  );
  const side = (length: number) => Math.max(1, Math.floor(length * scale));
  return { width: side(width), height: side(height) };
}

const BGRA = 4;
const WHITE = 0xffffffff;
/** Annotations, and bytes in the order R, G, B, A; text is not smoothed in colours, which no reader was trained on. */
const FLAGS = 0x01 | 0x10;
const FORM_FLAGS = 0x10;

function draw(pdfium: Module, page: number, form: number | undefined, { width, height }: Size): RgbImage {
  const at = pdfium.wasmExports.malloc(width * height * 4);
  if (at === 0) throw new Error('no memory for the page');
  const bitmap = pdfium._FPDFBitmap_CreateEx(width, height, BGRA, at, width * 4);
  if (!bitmap) throw new Error('no bitmap for the page');
  pdfium._FPDFBitmap_FillRect(bitmap, 0, 0, width, height, WHITE);
  if (form !== undefined) pdfium._FORM_OnAfterLoadPage(page, form);
  pdfium._FPDF_RenderPageBitmap(bitmap, page, 0, 0, width, height, 0, FLAGS);
  if (form !== undefined) pdfium._FPDF_FFLDraw(form, bitmap, page, 0, 0, width, height, 0, FORM_FLAGS);
  const data = sharedBytes(width * height * 3);
  const rgba = pdfium.HEAPU8.subarray(at, at + width * height * 4);
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    data[to] = rgba[from]!;
    data[to + 1] = rgba[from + 1]!;
    data[to + 2] = rgba[from + 2]!;
  }
  return { width, height, data };
}

function damaged(name: string, cause: unknown): AfterimageError {
  const reason = typeof cause === 'string' ? ` (${cause})` : '';
  return new AfterimageError(
    'DOCUMENT_UNREADABLE',
    `${name} is damaged or no whole PDF${reason}; save it again and retry.`,
    { cause },
  );
}

export function tooComplex(name: string, what: string, cause: unknown): AfterimageError {
  return new AfterimageError(
    'DOCUMENT_TOO_COMPLEX',
    `${name} needs ${what} to be drawn; save the page as PNG and give that.`,
    { cause },
  );
}

export function noSuchPage(name: string, page: number, count: number): AfterimageError {
  const has = count === 1 ? 'one page' : `${count} pages`;
  return new AfterimageError(
    'PAGE_NOT_FOUND',
    `${name} has ${has}, so there is no page ${page}; name one of them.`,
  );
}
