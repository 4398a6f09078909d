// Downloads into Hugging Face's cache that are under way, whichever program makes them: their unfinished files grow.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hubFolder, hubHome, namesThere } from '../engine/model-places.js';

/** A file that was written to within this time is being downloaded. */
const LATELY_MS = 20_000;

export interface Part {
  /** `org/name` */
  name: string;
  /** Of its unfinished files. */
  bytes: number;
}

export async function partsUnderWay(root = hubFolder(), now = Date.now()): Promise<Part[]> {
  const found = await Promise.all(
    namesThere().map(async (name) => {
      const blobs = join(hubHome(root, name), 'blobs');
      const files = await readdir(blobs).catch(() => []);
      const parts = await Promise.all(
        files
          .filter((file) => file.endsWith('.incomplete'))
          .map((file) => stat(join(blobs, file)).catch(() => undefined)),
      );
      const growing = parts.flatMap((part) => (part && now - part.mtimeMs < LATELY_MS ? [part.size] : []));
      return growing.length > 0 ? [{ name, bytes: growing.reduce((sum, bytes) => sum + bytes, 0) }] : [];
    }),
  );
  return found.flat();
}
