// What every tool file exports: what a client reads about it, and its handler.
import type * as z from 'zod';
import type { Call } from './call.js';
import { verbose, type ReplyFields } from './fields.js';

export interface ToolAnnotations {
  readOnlyHint: boolean;
  destructiveHint: boolean;
  idempotentHint: boolean;
}

/** Looking changes nothing outside this server. Whether images may come from the web is the server's setting. */
export const LOOKS_ONLY: ToolAnnotations = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
};

/** Something large that the client may fetch by its address. */
export interface Reference {
  uri: string;
  name: string;
  description: string;
  mimeType: string;
}

export interface ToolResult {
  /** The common fields, and those of the tool's own beside them. */
  structured: ReplyFields;
  references?: Reference[];
  /** Inline images, small and only on request. */
  inline?: { mimeType: string; data: Uint8Array }[];
}

export interface Tool<Input extends z.ZodObject = z.ZodObject> {
  name: string;
  title: string;
  description: string;
  annotations: ToolAnnotations;
  input: Input;
  /** As published: what results carry is more, and typed in `fields.ts` and in the tool. */
  output: z.ZodObject;
  run(args: z.infer<Input>, call: Call): Promise<ToolResult>;
}

/**
 * Keeps the argument types of one tool and forgets them for the list of all. `verbose` is every tool's: what it adds to
 * a result is decided where results leave (`run-tool.ts`).
 */
export function defineTool<Input extends z.ZodObject>(tool: Tool<Input>): Tool {
  return { ...tool, input: tool.input.extend({ verbose }) } as unknown as Tool;
}
