// A checkpoint whose vision weights lie in another folder (--vision): what the language model's own folder lacks is taken
// from there, the settings of images included.
import { AfterimageError } from '../../errors.js';
import type { Checkpoint, FileHeader, StoredTensorInfo } from './checkpoint.js';
import type { Json } from './json-file.js';
import { readHeaderText } from './safetensors-header.js';

/** Parts of the language model, under any of their names: a folder for --vision may hold a whole model. */
const LANGUAGE = /^(model\.)?(language_model|text_model|lm_head|layers|embed_tokens|norm)\./;

/** @throws AfterimageError INVALID_ARGUMENT where nothing is taken from `vision`. */
export function withVision(language: Checkpoint, vision: Checkpoint): Checkpoint {
  const taken = new Map(
    [...vision.tensors].filter(([name]) => !LANGUAGE.test(name) && !language.tensors.has(name)),
  );
  if (taken.size === 0) {
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `"${vision.folder}" has no vision weights that "${language.folder}" lacks; leave out --vision, or name the folder that has them.`,
    );
  }
  const files = vision.files.map((file) => ({ file, header: headerWith(file, taken) }));
  const used = files.filter(({ header }) => header !== undefined);
  return {
    ...language,
    config: mergedConfig(language.config, vision.config),
    generationConfig: { ...vision.generationConfig, ...language.generationConfig },
    imageProcessor: { ...vision.imageProcessor, ...language.imageProcessor },
    processor: { ...vision.processor, ...language.processor },
    tensors: new Map([...language.tensors, ...taken]),
    files: [...language.files, ...used.map(({ file }) => file)],
    headers: {
      ...language.headers,
      ...Object.fromEntries(used.map(({ file, header }) => [file, header!])),
    },
  };
}

/** The file's header without what is not wanted; undefined where nothing is. */
function headerWith(file: string, taken: ReadonlyMap<string, StoredTensorInfo>): FileHeader | undefined {
  const { text, start } = readHeaderText(file);
  const entries = Object.entries(JSON.parse(text) as Json).filter(([name]) => taken.has(name));
  return entries.length === 0 ? undefined : { json: JSON.stringify(Object.fromEntries(entries)), start };
}

/**
 * What the language model's settings say counts. One that was made without its tower states no tower, or null; one that
 * states a decoder alone ("qwen2") stands where the vision folder's settings have their decoder.
 */
function mergedConfig(language: Json, vision: Json): Json {
  const tower = language['vision_config'] ?? vision['vision_config'];
  const whole = language['vision_config'] !== undefined || language['model_type'] === vision['model_type'];
  if (whole) return { ...vision, ...language, vision_config: tower };
  const { quantization, quantization_config } = language;
  const text = vision['text_config'] === undefined ? language : {};
  return {
    ...vision,
    ...text,
    ...(vision['text_config'] !== undefined && { text_config: language }),
    ...(quantization !== undefined && { quantization }),
    ...(quantization_config !== undefined && { quantization_config }),
    model_type: vision['model_type'],
    vision_config: tower,
  };
}
