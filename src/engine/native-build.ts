// The addon where no platform package fits: built in the background by native/build.mjs, once for all programs of a user,
// in a folder of its cache. The build outlives the server that began it: a client that gives up on a start finds it done
// by the next. Everybody reads how far it is from the builder's status file (native/build-into.mjs).
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { baseFolder } from '../base-folder.js';
import { AfterimageError } from '../errors.js';
import { makeFolder } from '../make-folder.js';
import { packageRoot } from '../package-root.js';
import { packageVersion } from '../version.js';

interface Building {
  state: 'building';
  pid: number;
  /** Milliseconds since the epoch. */
  startedAt: number;
  /** Parts of the build; `total` is 0 before they are counted. */
  done: number;
  total: number;
}

export type BuildStatus =
  | Building
  | { state: 'built' }
  /** `toolsMissing`: another try is worth while as soon as something is installed. */
  | { state: 'failed'; message: string; toolsMissing: boolean };

/** Where builds of this version for this machine lie. */
export function buildFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const name = `${packageVersion()}-${process.platform}-${process.arch}`;
  return join(baseFolder('XDG_CACHE_HOME', '.cache', environment), 'afterimage', 'native', name);
}

let builder: ChildProcess | undefined;

/** Undefined where nobody began. A build whose process is gone has failed. */
export function buildStatus(folder = buildFolder()): BuildStatus | undefined {
  const told = toldStatus(folder);
  const starting = builder !== undefined && builder.exitCode === null && builder.signalCode === null;
  // What stands there before our builder says anything is of an earlier one.
  if (starting && told?.state !== 'building' && told?.state !== 'built') return justBegun(builder!.pid!);
  return told;
}

function justBegun(pid: number): Building {
  return { state: 'building', pid, startedAt: Date.now(), done: 0, total: 0 };
}

function toldStatus(folder: string): BuildStatus | undefined {
  let status: BuildStatus;
  try {
    status = JSON.parse(readFileSync(join(folder, 'status.json'), 'utf8')) as BuildStatus;
  } catch {
    return undefined; // not begun
  }
  if (status.state !== 'building' || lives(status.pid)) return status;
  // It may have ended between the two looks.
  if (existsSync(join(folder, 'afterimage.node'))) return { state: 'built' };
  const message = 'The build of the native engine was ended before it was done.';
  return { state: 'failed', message, toolsMissing: false };
}

/** Whether this installation may build for itself: one of npm's; who has a checkout decides when to build it. */
export function buildsItself(root = packageRoot()): boolean {
  return process.env['AFTERIMAGE_ADDON'] === undefined && !existsSync(join(root, 'tsconfig.json'));
}

/**
 * Begins the build unless it is under way, or has failed for a reason that stays.
 * @returns how far it is
 * @throws AfterimageError IO_FAILED when it has no place to be
 */
export function beginBuild(folder = buildFolder()): BuildStatus {
  const status = buildStatus(folder);
  if (status?.state === 'building') return status;
  // A failed build costs minutes, so this process tries only once; to look for a compiler costs nothing.
  if (builder && status?.state === 'failed' && !status.toolsMissing) return status;
  try {
    makeFolder(folder);
  } catch (cause) {
    throw new AfterimageError(
      'IO_FAILED',
      `The native engine cannot be built in ${folder} (${(cause as Error).message}); set XDG_CACHE_HOME to a folder that can be written.`,
      { cause },
    );
  }
  const script = join(packageRoot(), 'native', 'build.mjs');
  builder = spawn(process.execPath, [script, '--into', folder], {
    detached: true,
    stdio: 'ignore',
    windowsHide: true,
  });
  builder.unref();
  return justBegun(builder.pid!);
}

const LOOK_MS = 250;

/**
 * Waits while a build is under way, and tells how far it is.
 * @returns what it came to; still building when `patienceMs` is over or `signal` aborts
 */
export async function watchBuild(
  onProgress: (done: number, total?: number) => void,
  { patienceMs = Infinity, signal, folder = buildFolder() }: WatchOptions = {},
): Promise<BuildStatus | undefined> {
  const end = performance.now() + patienceMs;
  let status = buildStatus(folder);
  while (status?.state === 'building' && performance.now() < end && !signal?.aborted) {
    onProgress(status.done, status.total || undefined);
    await new Promise((later) => setTimeout(later, LOOK_MS));
    status = buildStatus(folder);
  }
  return status;
}

export interface WatchOptions {
  patienceMs?: number;
  signal?: AbortSignal;
  folder?: string;
}

const SOONEST_SECONDS = 10;
const LATEST_SECONDS = 120;

/** "42 %, about 60 s left", and when to ask again. */
export function howFar({ startedAt, done, total }: Building, now = Date.now()): string {
  if (total === 0 || done === 0) return `it has just begun; ask again in ${SOONEST_SECONDS} s`;
  const left = Math.ceil((((now - startedAt) / 1000) * (total - done)) / done);
  const retry = Math.min(LATEST_SECONDS, Math.max(SOONEST_SECONDS, left));
  return `${Math.floor((100 * done) / total)} % done, about ${left} s left; ask again in ${retry} s`;
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
