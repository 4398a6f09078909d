// The one way to a tool for every door: arguments read, calls of one session one after the other, a lean result.
import { OneModel } from '../engine/models.js';
import { checkArguments, ignoredNote } from './arguments.js';
import type { Call } from './call.js';
import type { ReplyFields } from './fields.js';
import type { Reuse } from './looks.js';
import type { Tool, ToolResult } from './tool.js';

export interface Ran extends Omit<ToolResult, 'structured'> {
  structured: Record<string, unknown>;
  /** What was reused, for the log and for people who watch, whether or not the caller wants to read it. */
  cache: Reuse;
}

/** @throws AfterimageError what `checkArguments` and the tool throw, and SESSION_BUSY when its turn did not come in time. */
export async function runTool(tool: Tool, given: unknown, call: Call): Promise<Ran> {
  const { args, ignored } = checkArguments(tool, given);
  const { session_id, fork, verbose, model } = args;
  const run = async () => tool.run(args, typeof model === 'string' ? await asking(model, call) : call);
  // A fork leaves its session as it is, so it need not wait for it.
  const waits = typeof session_id === 'string' && fork !== true;
  const result = waits ? await call.conversations.inOrder(session_id, call, run) : await run();
  const structured = withNote(result.structured, ignoredNote(ignored));
  const { cache } = structured;
  return { ...result, cache, structured: verbose === true ? { ...structured } : lean(structured) };
}

/** @throws AfterimageError MODEL_NOT_FOUND */
async function asking(model: string, call: Call): Promise<Call> {
  return { ...call, engine: await (call.models ?? new OneModel(call.engine)).engine(model) };
}

function withNote(structured: ReplyFields, note: string | undefined): ReplyFields {
  if (note === undefined) return structured;
  return { ...structured, note: [structured.note, note].filter(Boolean).join(' ') };
}

/** Without what only those need who look after the server: an agent pays for every word of a result. */
function lean({ cache: _c, stop_reason: _s, model: _m, truncated, images, ...rest }: ReplyFields) {
  return {
    ...rest,
    images: images.map(({ viewed_width: _w, viewed_height: _h, ...image }) => image),
    ...(truncated && { truncated }),
  };
}
