// A tool called by the page: its stages and the answer's text as they come, then the result. The way in is every other
// door's; who watches can see what is being done and stop it, so there is no deadline.
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as z from 'zod';
import { AfterimageError } from '../../errors.js';
import type { CallProgress } from '../../ask/call.js';
import { runTool } from '../../ask/run-tool.js';
import type { Models } from '../../engine/models.js';
import type { App } from '../../mcp/app.js';
import { tools } from '../../../tools/index.js';
import type { Bodies } from '../body.js';
import { EventStream } from '../event-stream.js';
import { failureOf, RefusedField } from '../failures.js';

/** As the page hears it: one event each. */
export type ToolEvent =
  | { progress: CallProgress }
  | { text: string }
  | { result: { structured: Record<string, unknown>; reuse: object } }
  | { error: { code: string; message: string } };

const wanted = z.strictObject({
  arguments: z.record(z.string(), z.unknown()),
  /** Who answers where the tool does not name one. */
  model: z.string().max(200).optional(),
});

interface Calling {
  request: IncomingMessage;
  response: ServerResponse;
  app: App;
  models: Models;
  bodies: Bodies;
}

/** @throws AfterimageError before anything has been answered. */
export async function streamTool(name: string, calling: Calling): Promise<void> {
  const tool = tools.find((one) => one.name === name);
  if (!tool) throw new AfterimageError('INVALID_ARGUMENT', `There is no tool "${name.slice(0, 100)}".`);
  const { request, response, app, models, bodies } = calling;
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const watched = app.activity.begin(name);
  try {
    await bodies.read(request, async (json) => {
      const { data } = wanted.safeParse(json);
      if (!data) throw new RefusedField('body', 'Send {"arguments": {…}} and, if you like, "model".');
      const engine = await models.engine(data.model);
      const stream = new EventStream(response);
      const tell = (event: ToolEvent): void => stream.send(event);
      try {
        const { structured, cache } = await runTool(tool, data.arguments, {
          ...app,
          engine,
          signal: gone.signal,
          deadline: Infinity,
          onText: (text) => tell({ text }),
          onProgress: (progress) => {
            watched.progress(progress);
            tell({ progress });
          },
        });
        tell({ result: { structured, reuse: cache } });
      } catch (error) {
        const { code, message } = failureOf(error, app.log).body.error;
        if (!gone.signal.aborted) tell({ error: { code, message } });
      } finally {
        stream.end();
      }
    });
  } finally {
    watched.ended();
  }
}
