// A golden's messages as the engine takes them.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createImageContext, register, type ImageContext } from '../../src/image/load.js';
import { loadTimeline } from '../../src/image/timeline.js';
import type { ContentPart, Message } from '../../src/prompt/message.js';
import type { GoldenCase, GoldenTurn } from './case-files.js';

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
        content.map(async (part): Promise<ContentPart[]> => {
          if (part.type === 'text') return [part];
          if (part.type === 'video') {
            const frames = part.video.map((name) => resolve(golden.folder, name));
            const moments = await loadTimeline(frames, part.fps, context);
            return moments.map((image) => ({ type: 'image', image }));
          }
          const image = await register(readFileSync(join(golden.folder, part.image)), part.image, context);
          return [{ type: 'image', image }];
        }),
      );
      return { role, content: parts.flat() };
    }),
  );
}
