// Ids that families need: the image token, and every id at which an answer ends.
import { AfterimageError } from '../../errors.js';
import type { Checkpoint } from './checkpoint.js';
import { Config } from './config.js';

/**
 * All eos ids of generation_config.json, config.json and its text_config, and the template's end-of-turn marker:
 * vendors often list only one of them.
 */
export function stopTokenIds(checkpoint: Checkpoint, ...markers: string[]): number[] {
  const config = new Config(checkpoint.config, 'config.json');
  const sections = [
    new Config(checkpoint.generationConfig, 'generation_config.json'),
    config,
    config.sectionOr('text_config', config),
  ];
  const ids = sections.flatMap((section) => section.ids('eos_token_id'));
  const marked = markers.map((marker) => checkpoint.tokenId(marker)).filter((id) => id !== undefined);
  return [...new Set([...ids, ...marked])];
}

/** The id that config.json gives (under one of `keys`), or that the tokenizer gives to `token`. */
export function imageTokenId(checkpoint: Checkpoint, token: string, ...keys: string[]): number {
  const config = new Config(checkpoint.config, 'config.json');
  const key = keys.find((name) => config.has(name));
  const id = key ? config.number(key) : checkpoint.tokenId(token);
  if (id === undefined) {
    throw new AfterimageError(
      'INVALID_CHECKPOINT',
      `The tokenizer has no image token "${token}"; download the checkpoint's tokenizer again.`,
    );
  }
  return id;
}
