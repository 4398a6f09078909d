// What every prompt file exports: its arguments and the message it puts into the client's conversation.
import { completable } from '@modelcontextprotocol/server';
import * as z from 'zod';

/** Images that can be named again, newest first. */
export type RecentImages = () => string[];

export interface PromptFile {
  name: string;
  title: string;
  description: string;
  arguments(images: RecentImages): z.ZodObject;
  text(values: Record<string, string | undefined>): string;
}

/** An image as the tools take it; completed with the ids of images seen lately. */
export function imageArgument(images: RecentImages): z.ZodString {
  return completable(z.string().describe('Absolute path, ~ path, file:// URL or image_id.'), (typed) =>
    images().filter((id) => id.startsWith(typed)),
  );
}
