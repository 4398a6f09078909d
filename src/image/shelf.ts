// Pictures on disk by image_id, for programs of one user that hand ids to each other: one looks at a picture that came in
// a message, another is asked about it later. A file that is damaged, or is no such picture, is a miss.
import { KeptFiles } from '../kept-files.js';

const MOST_BYTES = 512 * 2 ** 20;
const MOST_MS = 7 * 24 * 3_600_000;

export function keptPictures(folder: string): KeptFiles {
  return new KeptFiles(folder, { suffix: '.picture', mostBytes: MOST_BYTES, mostMs: MOST_MS });
}

export class PictureShelf {
  readonly #files: KeptFiles;

  /** @param folder Made when the first picture is put there. */
  constructor(folder: string) {
    this.#files = keptPictures(folder);
  }

  /** @param bytes Encoded, as they came. */
  async put(imageId: string, bytes: Uint8Array): Promise<void> {
    if (!(await this.#files.touch(imageId))) await this.#files.put(imageId, bytes);
  }

  /** What is there under the id; whoever decodes it sees whether it is that picture. */
  get(imageId: string): Promise<Uint8Array | undefined> {
    return this.#files.get(imageId);
  }
}
