// The decoder, required and not imported: for an import Node first searches the text of what sharp itself requires for
// names, which takes longer than most pictures take to be decoded.
import { createRequire } from 'node:module';
import type sharpModule from 'sharp';

export type { Metadata, Sharp } from 'sharp';

export const sharp = createRequire(import.meta.url)('sharp') as typeof sharpModule;
