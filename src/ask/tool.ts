// What every tool file exports: what a client reads about it, and its handler.
import type { z } from 'zod';
import type { Call } from './call.js';

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

export interface ToolResult<Output> {
  structured: Output;
  references?: Reference[];
  /** Inline images, small and only on request. */
  inline?: { mimeType: string; data: Uint8Array }[];
}

export interface Tool<Input extends z.ZodObject = z.ZodObject, Output extends z.ZodObject = z.ZodObject> {
  name: string;
  title: string;
  description: string;
  annotations: ToolAnnotations;
  input: Input;
  output: Output;
  run(args: z.infer<Input>, call: Call): Promise<ToolResult<z.infer<Output>>>;
}

/** Keeps the argument types of one tool and forgets them for the list of all. */
export function defineTool<Input extends z.ZodObject, Output extends z.ZodObject>(
  tool: Tool<Input, Output>,
): Tool {
  return tool as unknown as Tool;
}
