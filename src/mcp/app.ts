// What all connections of one server process share: engine, images, conversations, limits, log.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { parse, resolve } from 'node:path';
import type { Engine } from '../engine/engine.js';
import type { Models } from '../engine/models.js';
import { URLS_ALLOWED } from '../image/download.js';
import type { ElementReader } from '../reading/elements.js';
import type { Reader } from '../reading/reading.js';
import type { ImageLimits } from '../image/limits.js';
import { createImageContext, type ImageContext } from '../image/load.js';
import type { PictureShelf } from '../image/shelf.js';
import { Conversations, type ConversationLimits } from '../ask/conversations.js';
import { Activity } from '../ask/activity.js';
import { Drawings } from '../ask/drawings.js';
import { Answered } from '../ask/answered.js';
import { Looks } from '../ask/looks.js';
import type { Room } from '../ask/call.js';
import { createLog, type Log, type LogOptions } from './log.js';

export interface AppOptions {
  engine: Engine;
  /** Others that calls may name; absent: the engine's only. */
  models?: Models;
  reader: Reader;
  elements?: ElementReader;
  /** Folders from --allow. Absent or empty: the working folder, and the client's roots if it declares any. */
  allow?: string[];
  allowUrls?: boolean;
  allowClipboard?: boolean;
  /** Time after which a call returns what there is. */
  deadlineMs?: number;
  /** Load the model at once instead of on first use. */
  preload?: boolean;
  limits?: Partial<ImageLimits>;
  conversations?: Partial<ConversationLimits>;
  /** Pictures that another program of this user looked at; the first room's, because ids are its client's own. */
  shelf?: PictureShelf;
  log?: LogOptions;
}

/** Clients give up after 60 s; the rest is for the way back. */
export const DEFAULT_DEADLINE_MS = 50_000;

/** Five images of 20 MB as base64, and what is around them. */
export const LONGEST_MESSAGE = 160 * 2 ** 20;

/** What is left of the longest message without its pictures, a hundred times over. */
export const LONGEST_REST = 2 ** 20;

export interface App extends Room {
  images: ImageContext;
  deadlineMs: number;
  /** Whether the client's roots may widen the allowed folders: only where the user named none. */
  rootsCount: boolean;
  /** Of all rooms. */
  activity: Activity;
  log: Log;
  /** A room for one more client: the same engine and limits, images and conversations of its own. */
  another(): App;
  /** Starts loading; a failure is reported by the first call that needs the model. */
  preload(): void;
  close(): Promise<void>;
}

export function createApp(options: AppOptions): App {
  const { engine, models, reader, elements } = options;
  const log = createLog(options.log);
  const named = substituted(options.allow ?? []).map(absolute);
  const folders = named.length > 0 ? named : workingFolder(process.cwd());
  for (const folder of folders.filter((name) => !existsSync(name)))
    log.warn({ folder }, 'an allowed folder does not exist (yet), so it allows nothing');
  log.info({ folders, urls: options.allowUrls ?? false }, 'starting');
  const rooms: Conversations[] = [];
  const room = (): App => {
    const conversations = new Conversations(options.conversations);
    rooms.push(conversations);
    const shelf = rooms.length === 1 ? options.shelf : undefined;
    const kept = { drawings: new Drawings(), looks: new Looks(), answered: new Answered() };
    return { ...shared, ...kept, conversations, images: images(shelf) };
  };
  const images = (shelf: PictureShelf | undefined): ImageContext =>
    createImageContext({
      folders,
      urls: options.allowUrls ? URLS_ALLOWED : undefined,
      clipboard: options.allowClipboard,
      limits: options.limits,
      shelf,
    });
  const shared = {
    engine,
    models,
    reader,
    elements,
    deadlineMs: options.deadlineMs ?? DEFAULT_DEADLINE_MS,
    rootsCount: named.length === 0,
    activity: new Activity(),
    log,
    another: room,
    preload: () =>
      void engine.ready().catch((error: Error) => log.error({ error: error.message }, 'preload failed')),
    close: async () => {
      log.info({ cache: engine.status().cache }, 'cache');
      for (const conversations of rooms) conversations.close();
      await reader.close();
      await elements?.close();
      await engine.close();
    },
  };
  return room();
}

/** Leaves out what a client did not fill in, such as `${user_config.folder}`. */
export function substituted(values: string[]): string[] {
  return values.filter((value) => value.trim() !== '' && !/\$\{[^}]*\}/.test(value));
}

/** Configuration files are not read by a shell. */
export function absolute(folder: string): string {
  return resolve(folder.replace(/^~(?=\/|$)/, homedir()));
}

/** Desktop clients start servers in `/`, and nobody meant to allow every file by that. */
function workingFolder(cwd: string): string[] {
  return cwd === parse(cwd).root ? [] : [cwd];
}
