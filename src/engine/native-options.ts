// What the native engine is told of a model: its programs, its files and how it is to run them.
import { decoderWidths } from '../graph/program.js';
import type { Checkpoint } from '../models/checkpoint/checkpoint.js';
import type { Model } from '../models/family.js';
import type { ImageDetail } from './chosen-processor.js';
import type { Budgets } from './budgets.js';
import type { BackendName, KvType, NativeEngineOptions, Precision } from './native-engine.js';
import type { UsableMemory } from './usable-memory.js';

export interface LocalEngineOptions extends ModelSettings {
  /** Asked when loading begins; absent: what the system says. */
  memory?: UsableMemory | (() => UsableMemory);
}

/** Data: it is handed to threads. */
export interface ModelSettings extends ImageDetail {
  /** Checkpoint folder; absent: the bundled starter model. */
  model?: string;
  /** Folder of its vision weights, or its mmproj file, where they lie apart. */
  vision?: string;
  /** Default: fast for quantized weights, exact otherwise. */
  precision?: Precision;
  backend?: BackendName;
  threads?: number;
  kvType?: KvType;
  /** Time for a call: on a slow machine pictures are seen so small that a screen is answered within it. */
  answerMs?: number;
  /** Those that are absent follow from the memory there is. */
  budgets?: Partial<Budgets>;
  /** Folder of the disk tier; absent: none. Its parent must exist. */
  cacheFolder?: string;
  cacheBytes?: number;
  cacheMaxAgeSeconds?: number;
}

const GIB = 2 ** 30;
const DAY = 86_400;
const CHUNK_ROWS = 256;

/** Budgets are left at nothing. */
export function nativeOptions(
  options: ModelSettings,
  checkpoint: Checkpoint,
  model: Model,
): NativeEngineOptions {
  return {
    backend: options.backend ?? 'cpu',
    threads: options.threads ?? 0,
    precision: options.precision ?? (isQuantized(checkpoint) ? 'fast' : 'exact'),
    kvType: options.kvType ?? 'f16',
    chunkRows: CHUNK_ROWS,
    // Decided once it is known what the model needs.
    budgets: { kvBytes: 0, featureBytes: 0, scratchBytes: 0 },
    disk: {
      folder: options.cacheFolder ?? '',
      maxBytes: options.cacheBytes ?? 8 * GIB,
      maxAgeSeconds: options.cacheMaxAgeSeconds ?? 30 * DAY,
    },
    ...programsOf(checkpoint, model),
  };
}

/** What is computed, and from which files. */
export function programsOf(
  { files, headers }: Checkpoint,
  model: Model,
): Pick<NativeEngineOptions, 'files' | 'headers' | 'vision' | 'decoder' | 'mtp' | 'traits'> {
  return {
    files,
    ...(headers && { headers }),
    vision: JSON.stringify(model.vision),
    decoder: JSON.stringify(model.decoder),
    ...(model.mtp && { mtp: JSON.stringify(model.mtp) }),
    traits: {
      positionAxes: model.positionAxes,
      visibility: model.visibility,
      ...decoderWidths(model.decoder),
      context: model.contextLength,
    },
  };
}

function isQuantized({ config }: Checkpoint): boolean {
  return config['quantization'] !== undefined || config['quantization_config'] !== undefined;
}
