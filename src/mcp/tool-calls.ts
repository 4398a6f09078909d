// tools/call → a tool's handler: arguments, cancel, deadline, progress and roots on the way in, one result on the way out.
import { setImmediate } from 'node:timers/promises';
import type {
  CallToolResult,
  InputRequiredResult,
  McpServer,
  ServerContext,
  StandardSchemaWithJSON,
} from '@modelcontextprotocol/server';
import type * as z from 'zod';
import { AfterimageError, type ErrorCode } from '../errors.js';
import { releaseCarried } from '../image/carried.js';
import { FilePolicy } from '../image/policy.js';
import { tools } from '../../tools/index.js';
import type { Reuse } from '../ask/looks.js';
import { runTool } from '../ask/run-tool.js';
import type { Tool } from '../ask/tool.js';
import type { App } from './app.js';
import { appMeta, showsApps } from './apps.js';
import { ProgressReporter } from './progress.js';
import { toCallResult, toErrorResult } from './results.js';
import { answeredRoots, askForRoots, declaresRoots, requestRoots } from './roots.js';

export type Era = 'legacy' | 'modern';

export function registerTools(server: McpServer, app: App, era: Era): void {
  for (const tool of tools) {
    const { name, title, description, annotations, input, output } = tool;
    server.registerTool(
      name,
      {
        title,
        description,
        annotations: { ...annotations, openWorldHint: app.images.urls?.allowed === true },
        inputSchema: unchecked(plain(input)),
        outputSchema: plain(output),
      },
      (args, context) => callTool(tool, args, { server, app, era, context }),
    );
  }
}

/**
 * Without the SDK's check of arguments: ours runs in `callTool`, so that a wrong argument gets the same kind of error
 * result as everything else.
 */
function unchecked(schema: StandardSchemaWithJSON): StandardSchemaWithJSON {
  return { '~standard': { ...schema['~standard'], validate: (value: unknown) => ({ value }) } };
}

/** Every connection offers the same. */
const schemas = new WeakMap<z.ZodObject, StandardSchemaWithJSON>();

function plain(schema: z.ZodObject): StandardSchemaWithJSON {
  const known = schemas.get(schema) ?? tidied(schema);
  schemas.set(schema, known);
  return known;
}

/** The dialect that the protocol means where none is named, and lengths of texts, which no model counts. */
const UNTOLD = ['$schema', 'minLength', 'maxLength'];

/** Without what says nothing: zod bounds every integer by what a double can hold and allows what is allowed anyway. */
function tidied(schema: z.ZodObject): StandardSchemaWithJSON {
  const { jsonSchema, ...rest } = schema['~standard'] as StandardSchemaWithJSON['~standard'];
  const tidy = (json: Record<string, unknown>) =>
    JSON.parse(
      JSON.stringify(json, (key, value: unknown) =>
        UNTOLD.includes(key) ||
        Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER ||
        (key === 'additionalProperties' && value !== false)
          ? undefined
          : value,
      ),
    ) as Record<string, unknown>;
  return {
    '~standard': {
      ...rest,
      jsonSchema: {
        input: once((options) => tidy(jsonSchema.input(options))),
        output: once((options) => tidy(jsonSchema.output(options))),
      },
    },
  };
}

type ToJson = StandardSchemaWithJSON['~standard']['jsonSchema']['input'];

/** Converting takes milliseconds, and is asked for at every call. */
function once(convert: ToJson): ToJson {
  const made = new Map<string, Record<string, unknown>>();
  return (options) => {
    const { target } = options;
    const json = made.get(target) ?? convert(options);
    made.set(target, json);
    return json;
  };
}

interface Exchange {
  server: McpServer;
  app: App;
  era: Era;
  context: ServerContext;
}

async function callTool(
  tool: Tool,
  args: unknown,
  exchange: Exchange,
): Promise<CallToolResult | InputRequiredResult> {
  const { app, context } = exchange;
  const started = performance.now();
  const deadline = started + app.deadlineMs;
  const progress = new ProgressReporter(context);
  const watched = app.activity.begin(tool.name);
  let cache: Reuse | undefined;
  // The SDK has read, parsed and checked the message since the last turn of the loop.
  await setImmediate();
  try {
    const run = (folders: string[]) =>
      runTool(tool, args, {
        engine: app.engine,
        models: app.models,
        reader: app.reader,
        elements: app.elements,
        conversations: app.conversations,
        drawings: app.drawings,
        looks: app.looks,
        answered: app.answered,
        images: { ...app.images, files: widened(app.images.files, folders) },
        signal: context.mcpReq.signal,
        deadline,
        onProgress: (stage) => {
          watched.progress(stage);
          progress.report(stage);
        },
      });
    const result = await runWithRoots(run, exchange);
    if ('resultType' in result) return result as InputRequiredResult;
    cache = result.cache;
    return { ...toCallResult(result), ...(showsApps(exchange.server, context) && { _meta: appMeta(cache) }) };
  } catch (error) {
    return toErrorResult(error, app.log);
  } finally {
    watched.ended();
    releaseCarried(args);
    await progress.close();
    const ms = Math.round(performance.now() - started);
    app.log.info({ tool: tool.name, era: exchange.era, ms, cache }, 'call');
  }
}

/** A path outside the folders, or a relative one that none of them has. */
const FOLDERS_WOULD_HELP: ErrorCode[] = ['PATH_NOT_ALLOWED', 'IMAGE_NOT_FOUND'];

/** Where a path was refused and the client has roots, they are asked for and the tool runs once more. */
async function runWithRoots<T>(
  run: (folders: string[]) => Promise<T>,
  { server, app, era, context }: Exchange,
): Promise<T | InputRequiredResult> {
  const answered = app.rootsCount ? await answeredRoots(context) : [];
  try {
    return await run(answered ?? []);
  } catch (error) {
    const refused = error instanceof AfterimageError && FOLDERS_WOULD_HELP.includes(error.code);
    if (!refused || answered !== undefined || !declaresRoots(server, context)) throw error;
    if (era === 'modern') return askForRoots();
    return await run(await requestRoots(context, app.log));
  }
}

function widened(policy: FilePolicy, more: string[]): FilePolicy {
  if (policy.folders === 'everywhere' || more.length === 0) return policy;
  return new FilePolicy([...policy.folders, ...more]);
}
