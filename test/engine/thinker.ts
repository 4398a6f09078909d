// A checkpoint whose template begins every answer with a thought.
import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHECKPOINTS } from '../goldens/checkpoints.js';
import { scratchFolder } from '../scratch-folder.js';

const END = '{% endif %}';

export function thinker(): string {
  const folder = scratchFolder('thinker');
  cpSync(join(CHECKPOINTS, 'qwen3_vl'), folder, { recursive: true });
  const file = join(folder, 'chat_template.jinja');
  const template = readFileSync(file, 'utf8');
  const at = template.lastIndexOf(END);
  assert.ok(template.slice(0, at).endsWith('assistant\n'));
  writeFileSync(file, `${template.slice(0, at)}<think>\n${END}`);
  return folder;
}
