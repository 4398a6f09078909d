// afterimage doctor --metal: what the GPU makes of every kernel, as one JSON file to be sent along with a report and one
// screen of words.
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { loadAddon } from '../engine/native.js';
import { AfterimageError } from '../errors.js';

const GIB = 2 ** 30;
const FILE = 'afterimage-metal.json';

interface Verdict {
  kernel: string;
  cases: number;
  /** Of them, those that compare a row alone with the same row among others. */
  row_cases: number;
  passed: boolean;
  /** Largest |metal − cpu| / (1 + max |cpu|). */
  distance?: number;
  failure?: string;
}
interface Opened {
  available: true;
  stage: 'compiled' | 'stopped' | 'measured';
  reason?: string;
  identity: string;
  device: {
    name: string;
    system: string;
    families: string[];
    unified_memory: boolean;
    working_set_bytes: number;
    max_buffer_bytes: number;
    threadgroup_memory_bytes: number;
    threads_per_threadgroup: number;
  };
  libraries: { family: string; seconds: number; again_seconds: number; error?: string }[];
  pipelines: {
    kernel: string;
    seconds: number;
    max_threads?: number;
    threadgroup_memory_bytes?: number;
    error?: string;
  }[];
  failed_to_compile: number;
  in_place?: string;
  failed_kernels?: number;
  kernels?: Verdict[];
  copy_bytes_per_second?: number;
  operators?: { name: string; seconds: number; share_of_copy_bandwidth: number; flop_per_second: number }[];
  empty_dispatch_seconds?: number;
  round_trip_seconds?: number;
  after_pauses?: { pause_seconds: number; decode_seconds: number }[];
  after_pauses_bytes?: number;
  after_pauses_failure?: string;
  matrix_order?: string;
  largest_dispatch_seconds?: number;
}
export type MetalReport = { available: false; stage: 'open'; reason: string } | Opened;

/** What is known before a step of this name, which may not end. */
export type Unfinished = { stage: string };

/**
 * @param compileOnly Every kernel is compiled and none is run.
 * @param reached Hears before each step what is known so far.
 */
export function metalReport(compileOnly: boolean, reached: (soFar: Unfinished) => void): MetalReport {
  const parsed = (soFar: string) => reached(JSON.parse(soFar) as Unfinished);
  return JSON.parse(loadAddon().metalReport(compileOnly, parsed)) as MetalReport;
}

/** Writes the whole report, beside what else is known of the machine. @returns its path. @throws AfterimageError IO_FAILED */
export function writeMetalReport(
  report: MetalReport | Unfinished,
  machine: object,
  folder = process.cwd(),
): string {
  const path = resolve(join(folder, FILE));
  try {
    writeFileSync(path, `${JSON.stringify({ ...machine, ...report }, undefined, 1)}\n`);
  } catch (cause) {
    throw new AfterimageError(
      'IO_FAILED',
      `${path} cannot be written (${(cause as Error).message}); start again in a folder that can be written to.`,
      { cause },
    );
  }
  return path;
}

/** One sentence, for the first line. */
export function metalVerdict(report: MetalReport): string {
  if (!report.available) return `Metal does not work here: ${report.reason}.`;
  const { stage, reason, failed_to_compile: uncompiled, kernels = [] } = report;
  if (uncompiled > 0)
    return `${uncompiled} kernels or their texts do not compile here; the CPU takes their place.`;
  if (stage === 'compiled') return compiledVerdict(report);
  if (stage === 'stopped') return `Metal stopped during the tests: ${reason}`;
  const failed = kernels.filter(({ passed }) => !passed).length;
  return failed === 0
    ? `Metal works here: all ${kernels.length} kernels passed.`
    : `${failed} of ${kernels.length} kernels failed; the CPU takes their place.`;
}

function compiledVerdict({ libraries, pipelines, reason }: Opened): string {
  return reason
    ? `All ${libraries.length} kernel texts compile here, but this device cannot run them: ${reason}.`
    : `All ${pipelines.length} kernels compile here; none was run.`;
}

/** Name and value of each line below it. */
export function metalLines(report: MetalReport): Record<string, unknown> {
  if (!report.available) return {};
  const { device, libraries, pipelines } = report;
  return {
    device: `${device.name}, ${device.families.join(' ')}`,
    system: device.system,
    limits: `${gib(device.working_set_bytes)} to use, ${gib(device.max_buffer_bytes)} a buffer, ${device.threadgroup_memory_bytes} bytes and ${device.threads_per_threadgroup} threads a threadgroup`,
    compiled: `${libraries.length} texts in ${seconds(sum(libraries.map((one) => one.seconds)))}, again in ${seconds(sum(libraries.map((one) => one.again_seconds)))}; ${pipelines.length} kernels in ${seconds(sum(pipelines.map((one) => one.seconds)))}`,
    ...failures(report),
    ...tested(report),
    ...measured(report),
  };
}

function tested({ kernels, in_place }: Opened): Record<string, unknown> {
  if (!kernels) return {};
  const ofRows = kernels.filter(({ row_cases }) => row_cases > 0);
  const dependent = ofRows.filter(({ failure }) => failure?.startsWith('a row depends'));
  return {
    rows:
      dependent.length === 0
        ? `a row alone has the bits it has among 256, in ${ofRows.length} kernels`
        : `the bits of a row depend on its neighbours in ${dependent.length} of ${ofRows.length} kernels`,
    'mapped weights': in_place,
  };
}

function measured(report: Opened): Record<string, unknown> {
  if (report.copy_bytes_per_second === undefined) return {};
  const operators = (report.operators ?? []).map(
    ({ name, seconds: taken, share_of_copy_bandwidth: share, flop_per_second: flop }) => [
      name,
      `${milliseconds(taken)}, ${Math.round(100 * share)} % of the copy speed, ${(flop / 1e12).toFixed(2)} TFLOP/s`,
    ],
  );
  return {
    'copy speed': `${(report.copy_bytes_per_second / 1e9).toFixed(1)} GB/s read and written`,
    ...Object.fromEntries(operators),
    dispatch: `${((report.empty_dispatch_seconds ?? 0) * 1e6).toFixed(1)} µs empty; ${milliseconds(report.round_trip_seconds ?? 0)} from commit to end`,
    'after pauses': report.after_pauses_failure ?? pauses(report),
    'matrix order': report.matrix_order,
    'longest dispatch': milliseconds(report.largest_dispatch_seconds ?? 0),
  };
}

function pauses({ after_pauses = [], after_pauses_bytes: bytes = 0 }: Opened): string {
  const taken = after_pauses.map((one) => `${one.pause_seconds} s: ${milliseconds(one.decode_seconds)}`);
  return `${taken.join(', ')} for ${gib(bytes)} of weights`;
}

/** Which kernels failed and why: as many as fit on the screen. */
function failures({ libraries, pipelines, kernels = [] }: Opened): Record<string, string> {
  const MOST = 8;
  const all = [
    ...libraries.flatMap(({ family, error }) => (error ? [[family, error]] : [])),
    ...pipelines.flatMap(({ kernel, error }) => (error ? [[kernel, error]] : [])),
    ...kernels.flatMap(({ kernel, failure }) => (failure ? [[kernel, failure]] : [])),
  ].map(([name, why]) => [`failed: ${name}`, why!.split('\n')[0]!.slice(0, 120)]);
  if (all.length > MOST) all.splice(MOST, Infinity, ['failed: others', `${all.length - MOST}, see the file`]);
  return Object.fromEntries(all) as Record<string, string>;
}

const sum = (numbers: number[]): number => numbers.reduce((a, b) => a + b, 0);
const seconds = (value: number): string => `${value.toFixed(1)} s`;
const milliseconds = (value: number): string => `${(value * 1000).toFixed(2)} ms`;
const gib = (bytes: number): string => `${(bytes / GIB).toFixed(1)} GiB`;
