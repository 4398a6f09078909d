// The boundary to the native core: finds the addon, types it, and turns its errors into AfterimageError.
import { createRequire } from 'node:module';
import { isAbsolute, join } from 'node:path';
import { AfterimageError, isErrorCode } from '../errors.js';
import type { FileHeader } from '../models/checkpoint/checkpoint.js';
import { packageRoot } from '../package-root.js';
import { packageVersion } from '../version.js';
import {
  beginBuild,
  buildFolder,
  buildStatus,
  buildsItself,
  howFar,
  watchBuild,
  type BuildStatus,
  type WatchOptions,
} from './native-build.js';
import type {
  BackendName,
  KvType,
  NativeEngineConstructor,
  NativeEngineOptions,
  NativeMemoryNeed,
  Precision,
} from './native-engine.js';
import type { NativeLines } from './native-lines.js';

export type { BackendName, KvType, Precision } from './native-engine.js';

const require = createRequire(import.meta.url);

export interface RunnerOptions {
  files: string[];
  headers?: Record<string, FileHeader>;
  /** A safetensors image; read where `files` is empty. */
  weights?: Uint8Array;
  /** Program as JSON. */
  program: string;
  precision: Precision;
  kvType: KvType;
  /** 0 or absent: all physical cores. */
  threads?: number;
  backend?: BackendName;
}

export type RunnerInput =
  | { data: Float32Array | Int32Array; rows: number }
  /**
   * Bytes that become f32 off the main thread: byte · scale + offset, by column. They are read where they lie: nobody
   * writes to them or hands them over until the run has ended.
   */
  | { data: Uint8Array; rows: number; scale: number[]; offset: number[] };

export interface RunnerRequest {
  inputs: Record<string, RunnerInput>;
  /** By which the run can be cancelled; above 0. */
  ticket?: number;
  /** Rows of the run by private timeline; decoder programs only. */
  sequences?: { slot: number; rows: number; firstPosition: number; visibleEnd?: Int32Array }[];
  taps?: string[];
}

export type RunnerResult = Record<string, { rows: number; width: number; data: Float32Array }>;

/** One program run directly, without cache or scheduler: reading text, golden tests and benchmarks. */
export interface Runner {
  load(): Promise<{ weightBytes: number; backend: string }>;
  run(request: RunnerRequest): Promise<RunnerResult>;
  /** Its promise then rejects with CANCELLED; nothing happens where it is over. */
  cancel(ticket: number): void;
  reset(slot: number): void;
  predictBytes(counts: Record<string, number>): Promise<number>;
  close(): Promise<void>;
}

interface Addon extends NativeLines {
  Runner: new (options: RunnerOptions & { threads: number; backend: BackendName }) => Omit<Runner, 'load'> & {
    /** `engine`: digest of the core's text and compiler. */
    load(): Promise<{ weightBytes: number; backend: string; engine: string }>;
  };
  Engine: NativeEngineConstructor;
  /** Reads no weights; `chunk`: rows of the longest run of the decoder. */
  predictMemory(
    options: NativeEngineOptions,
    images: { symbols: Record<string, number>; chunk: number }[],
  ): NativeMemoryNeed;
  /** "cpu avx512-vnni-bf16, 2 threads" */
  backendIdentity(backend: BackendName, threads: number): string;
  /** Device, limits, what compiling took, every kernel's verdict and speeds, as JSON. */
  metalReport(compileOnly: boolean, reached: (soFar: string) => void): string;
  /** Image prefixes on disk, newest first; `usedAt` in seconds since the epoch; `label` empty in older files. */
  listDiskCache(
    folder: string,
  ): { file: string; bytes: number; usedAt: number; tokens: number; identity: string; label: string }[];
  /** Returns how many files were removed. */
  clearDiskCache(folder: string): number;
}

const ADDON = 'afterimage.node';

let addon: Addon | undefined;

/**
 * Where none is there and this installation can build one, the build begins.
 * @throws AfterimageError NATIVE_BUILDING with how far it is, NATIVE_MISSING with the command that builds it.
 */
export function loadAddon(): Addon {
  return load(beginBuild);
}

function load(build: () => BuildStatus | undefined): Addon {
  if (addon) return addon;
  const tried: string[] = [];
  const platformPackage = `afterimage-mcp-${process.platform}-${process.arch}`;
  for (const candidate of [platformPackage, localBuild(), join(buildFolder(), ADDON)]) {
    try {
      requireOurVersion(candidate);
      addon = require(candidate) as Addon;
      return addon;
    } catch (cause) {
      tried.push(`${candidate}: ${(cause as Error).message.split('\n')[0]}`);
    }
  }
  throw missing(tried, build);
}

/** An agent that is told to come back does so at once; a call may as well wait as long as every client does. */
const PATIENCE_MS = 15_000;

/**
 * Begins the build of an addon that is missing, and waits for it for a while.
 * @throws AfterimageError as `loadAddon`
 */
export async function addonReady(
  onProgress: (progress: { stage: 'build'; done: number; total?: number }) => void = () => {},
  { patienceMs = PATIENCE_MS, signal }: Omit<WatchOptions, 'folder'> = {},
): Promise<void> {
  try {
    loadAddon();
  } catch (error) {
    if (!(error instanceof AfterimageError) || error.code !== 'NATIVE_BUILDING') throw error;
    await watchBuild((done, total) => onProgress({ stage: 'build', done, total }), { patienceMs, signal });
    load(buildStatus); // says why it failed, instead of beginning anew
  }
}

/** @param libc Its family; a test has its own. */
export function missing(
  tried: string[],
  build: () => BuildStatus | undefined,
  libc?: string | null,
): AfterimageError {
  const { familySync, MUSL } = require('detect-libc') as typeof import('detect-libc');
  const command = `\`node native/build.mjs\` in ${packageRoot()}`;
  if ((libc ?? familySync()) === MUSL) {
    return new AfterimageError(
      'NATIVE_MISSING',
      `The native engine needs glibc and this system has musl (Alpine Linux); use an image with glibc, such as node:22-bookworm-slim. Tried ${tried.join('; ')}`,
    );
  }
  const status = buildsItself() ? build() : undefined;
  if (status?.state === 'building') {
    return new AfterimageError(
      'NATIVE_BUILDING',
      `There is no package of the native engine that runs here, so it is being built, once: ${howFar(status)}.`,
    );
  }
  if (status?.state === 'failed') {
    const log = join(buildFolder(), 'build.log');
    return new AfterimageError(
      'NATIVE_MISSING',
      status.toolsMissing
        ? `There is no package of the native engine that runs here. ${status.message} Then ask again, or build it with ${command}.`
        : `${status.message} What the compiler said is in ${log}; build it with ${command}.`,
    );
  }
  return new AfterimageError(
    'NATIVE_MISSING',
    `The native engine could not be loaded; build it with ${command} (needs CMake and a C++20 compiler). Tried ${tried.join('; ')}`,
  );
}

/** @returns a runner that is loaded; `identity` is what its bits depend on: the core's text, its compiler, the backend. @throws AfterimageError */
export async function createRunner(options: RunnerOptions): Promise<Runner & { identity: string }> {
  await addonReady();
  const runner = new (loadAddon().Runner)({ threads: 0, backend: 'cpu', ...options });
  let identity: string;
  try {
    const { backend, engine } = await runner.load();
    identity = `${engine} ${backend}`;
  } catch (error) {
    await runner.close();
    throw fromNative(error);
  }
  return {
    identity,
    load: () => runner.load(),
    run: async (request) => {
      try {
        return await runner.run(request);
      } catch (error) {
        throw fromNative(error);
      }
    },
    cancel: (ticket) => runner.cancel(ticket),
    reset: (slot) => runner.reset(slot),
    predictBytes: (counts) => runner.predictBytes(counts),
    close: () => runner.close(),
  };
}

/** A platform package of another release would speak to us in another way. */
function requireOurVersion(candidate: string): void {
  if (isAbsolute(candidate)) return;
  const { version } = require(`${candidate}/package.json`) as { version: string };
  if (version !== packageVersion()) throw new Error(`it is of version ${version}, not ${packageVersion()}`);
}

/** Native errors carry a stable code; anything else (misuse, Node's own errors) passes through. */
export function fromNative(error: unknown): unknown {
  if (
    error instanceof Error &&
    !(error instanceof AfterimageError) &&
    'code' in error &&
    isErrorCode(error.code)
  ) {
    return new AfterimageError(error.code, error.message, { cause: error });
  }
  return error;
}

function localBuild(): string {
  return process.env['AFTERIMAGE_ADDON'] ?? join(packageRoot(), 'build', 'Release', ADDON);
}
