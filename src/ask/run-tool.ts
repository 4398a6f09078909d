// The one way to a tool for every door: arguments are checked here, so that a wrong one gets the same sentence from all.
import type { z } from 'zod';
import { AfterimageError } from '../errors.js';
import type { Call } from './call.js';
import type { Tool, ToolResult } from './tool.js';

/** @throws AfterimageError INVALID_ARGUMENT, TOO_MANY_IMAGES, and what the tool throws. */
export async function runTool(
  tool: Tool,
  given: unknown,
  call: Call,
): Promise<ToolResult<Record<string, unknown>>> {
  const parsed = tool.input.safeParse(given ?? {});
  if (!parsed.success) throw invalidArguments(tool.name, parsed.error);
  return tool.run(parsed.data, call);
}

function invalidArguments(tool: string, error: z.ZodError): AfterimageError {
  const problems = error.issues
    .slice(0, 5)
    .map(({ path, message }) => `${path.join('.') || 'arguments'}: ${message}`);
  const crowded = error.issues.some(({ code, path }) => code === 'too_big' && path.join() === 'images');
  return new AfterimageError(
    crowded ? 'TOO_MANY_IMAGES' : 'INVALID_ARGUMENT',
    `${tool} cannot be called like this. ${problems.join('; ')}.`,
    { cause: error },
  );
}
