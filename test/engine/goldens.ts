// Golden checkpoints and their cases as the engine's tests use them.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ContentPart, Message } from '../../src/prompt/message.js';
import { createImageContext, register, type ImageContext } from '../../src/image/load.js';
import type { GoldenCase, GoldenTurn } from '../goldens/case-files.js';

/** One golden checkpoint of our own (made by test/goldens/gemma3n_golden.py). */
const OWN = fileURLToPath(new URL('fixtures', import.meta.url));
/** $AFTERIMAGE_GOLDENS, or the folder beside the checkout where there is one. */
const MORE = process.env['AFTERIMAGE_GOLDENS'] ?? resolve('..', 'shared', 'goldens');

/** Folders of golden checkpoints that have cases. */
export function goldenFolders(): string[] {
  return [OWN, MORE]
    .filter((root) => existsSync(root))
    .flatMap((root) => readdirSync(root).map((name) => join(root, name)))
    .filter((folder) => existsSync(join(folder, 'cases')));
}

export const images = (): ImageContext => createImageContext({ folders: 'everywhere', alpha: 'dropped' });

export async function messagesOf(
  golden: GoldenCase,
  turn: GoldenTurn,
  context: ImageContext,
): Promise<Message[]> {
  return Promise.all(
    turn.messages.map(async ({ role, content }) => {
      if (typeof content === 'string') return { role, content: [{ type: 'text' as const, text: content }] };
      const parts = await Promise.all(
        content.map(async (part): Promise<ContentPart> => {
          if (part.type === 'text') return part;
          const image = await register(readFileSync(join(golden.folder, part.image)), part.image, context);
          return { type: 'image', image };
        }),
      );
      return { role, content: parts };
    }),
  );
}
