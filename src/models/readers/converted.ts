// The bundled networks as the build leaves them beside the compiled scripts (dist/reader): weights that the core maps as
// they lie, programs and alphabet as JSON. Reading, folding and hashing ONNX files takes longer than looking at a picture.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ReaderModel } from './load.js';

/** From dist/src/models/readers; beside sources there is no such folder. */
const FOLDER = fileURLToPath(new URL('../../../reader', import.meta.url));
const MODEL = 'reader.json';

const fileOf = (folder: string, part: string): string => join(folder, `${part}.safetensors`);

/** The model's weights are the paths of files; undefined where nothing was converted. */
export async function readConverted(folder = FOLDER): Promise<ReaderModel | undefined> {
  const text = await readFile(join(folder, MODEL), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const { detector, recogniser, ...rest } = JSON.parse(text) as ReaderModel;
  return {
    ...rest,
    detector: { ...detector, weights: fileOf(folder, 'detector') },
    recogniser: { ...recogniser, weights: fileOf(folder, 'recogniser') },
  };
}

/** What says that the rest is there is written last. */
export async function writeConverted(model: ReaderModel, folder = FOLDER): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const part of ['detector', 'recogniser'] as const)
    await writeFile(fileOf(folder, part), model[part].weights);
  const { detector, recogniser, ...rest } = model;
  const programs = { detector: { ...detector, weights: '' }, recogniser: { ...recogniser, weights: '' } };
  await writeFile(join(folder, MODEL), JSON.stringify({ ...rest, ...programs }));
}
