// afterimage doctor: what this machine has, what was found, and whether looking works here.
import { existsSync } from 'node:fs';
import { availableParallelism, cpus, release } from 'node:os';
import { join } from 'node:path';
import type { ModelInfo } from '../engine/engine.js';
import { starterFolder } from '../engine/model-folder.js';
import { loadAddon, type BackendName } from '../engine/native.js';
import { usableMemory } from '../engine/usable-memory.js';
import { AfterimageError } from '../errors.js';
import { packageVersion } from '../version.js';
import { createImageContext, loadImage } from '../image/load.js';
import { describeQuestion, systemMessage, userMessage } from '../prompt/layout.js';
import { writeJson } from './json-line.js';
import {
  metalLines,
  metalReport,
  metalVerdict,
  writeMetalReport,
  type MetalReport,
  type Unfinished,
} from './metal-report.js';
import { engineOptions, openEngine, socketOf } from './open-engine.js';
import type { Options } from './options.js';

const GIB = 2 ** 30;
const SELF_TEST_IMAGE = join(starterFolder(), 'examples', 'login.png');
const SELF_TEST_TOKENS = 16;

type Report = Record<string, unknown>;

export async function doctor(options: Options, signal: AbortSignal): Promise<void> {
  const report: Report = {
    node: process.version,
    platform: `${process.platform} ${release()} ${process.arch}`,
    ...machine(),
  };
  if (options.flag('metal') || options.flag('compile')) return doctorOfMetal(options, report);
  report.engine = backends();
  if (options.flag('remote')) report.resident_engine = socketOf(options);
  else Object.assign(report, settings(options));
  const failure = await selfTest(options, signal, report);
  if (signal.aborted) throw new AfterimageError('CANCELLED', 'Interrupted.');
  show(options, report);
  if (failure) throw failure;
}

/** One file with everything, there from the first step on, and one screen: the verdict first. */
function doctorOfMetal(options: Options, machine: Report): void {
  const write = (verdict: string, found: MetalReport | Unfinished) =>
    writeMetalReport(found, { verdict, version: packageVersion(), ...machine });
  const report = metalReport(options.flag('compile'), (soFar) => {
    if (!options.flag('json')) write(`It did not come further than this: ${soFar.stage}.`, soFar);
  });
  const said = metalVerdict(report);
  if (options.flag('json')) writeJson({ verdict: said, ...machine, ...report });
  else {
    const file = write(said, report);
    process.stdout.write(`${said}\n\n${rows({ ...machine, ...metalLines(report), report: file })}`);
  }
  const passed = report.available
    ? report.failed_to_compile === 0 && !report.failed_kernels && report.stage !== 'stopped'
    : !options.flag('compile'); // without a device nothing was compiled
  if (!passed) process.exitCode = 1;
}

function settings(options: Options): Report {
  const { model, cacheFolder } = engineOptions(options);
  return { model, disk_cache: cacheFolder ?? 'off' };
}

function machine(): Report {
  const [processor] = cpus();
  const { limit, free } = usableMemory();
  return {
    processor: processor?.model.trim() ?? 'unknown',
    threads: availableParallelism(),
    memory_gib: `${gib(limit)}, ${gib(free)} free`,
  };
}

function backends(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of ['cpu', 'metal'] as BackendName[]) {
    try {
      found[name] = loadAddon().backendIdentity(name, 0);
    } catch (error) {
      found[name] = (error as Error).message;
    }
  }
  return found;
}

/** Writes its verdict into the report and returns what went wrong. */
async function selfTest(
  options: Options,
  signal: AbortSignal,
  report: Report,
): Promise<AfterimageError | undefined> {
  try {
    report.self_test = await lookTwice(options, signal, report);
    return undefined;
  } catch (error) {
    report.self_test = `failed: ${(error as Error).message}`;
    if (error instanceof AfterimageError) return error;
    return new AfterimageError('BACKEND_FAILED', 'The self-test failed; see above.', { cause: error });
  }
}

/** Asks about one picture twice: the second answer must be the same and must reuse what was seen. */
async function lookTwice(options: Options, signal: AbortSignal, report: Report): Promise<string> {
  if (!existsSync(SELF_TEST_IMAGE)) return `skipped: ${SELF_TEST_IMAGE} is missing`;
  const engine = await openEngine(options);
  try {
    const start = performance.now();
    const model = await engine.ready();
    report.loaded = `${model.name} (${details(model)}) in ${Math.round(performance.now() - start)} ms`;
    report.pictures_seen = model.usualPixels
      ? `with at most ${(model.usualPixels / 1e6).toFixed(2)} megapixels, so that a screen is answered in time here (--detail full sees more)`
      : 'as large as the model can';
    const image = await loadImage(SELF_TEST_IMAGE, createImageContext({ folders: 'everywhere' }));
    const messages = [systemMessage(), userMessage([image], describeQuestion('brief'))];
    const ask = () => engine.open().ask(messages, { maxTokens: SELF_TEST_TOKENS, signal });
    const first = await ask();
    const second = await ask();
    const { cache, budgets } = engine.status();
    report.cache = cache;
    if (budgets)
      report.budgets_gib = Object.fromEntries(
        Object.entries(budgets).map(([name, bytes]) => [name, gib(bytes)]),
      );
    if (signal.aborted) return 'interrupted';
    if (first.text !== second.text)
      throw new AfterimageError(
        'BACKEND_FAILED',
        'The cached answer differs from the first one; report this with the output of doctor.',
      );
    if (second.cache.image_tokens_reused === 0)
      throw new AfterimageError(
        'BACKEND_FAILED',
        'The second question looked at the image again; raise --kv-gb.',
      );
    return `passed: ${second.cache.image_tokens_reused} of ${second.cache.image_tokens} image tokens reused, answers equal`;
  } finally {
    await engine.close();
  }
}

/** What is known of it: a model elsewhere may keep all of this to itself. */
function details({ modelType, parameters, precision, backend }: ModelInfo): string {
  const size = parameters === undefined ? undefined : `${(parameters / 1e6).toFixed(1)} M parameters`;
  return [modelType, size, precision ?? backend].filter(Boolean).join(', ');
}

/** The verdict first; counters only for those who ask for them. */
function show(options: Options, report: Report): void {
  const said = verdict(report);
  if (options.flag('json')) return writeJson({ verdict: said, ...report });
  const { cache, ...rest } = report;
  process.stdout.write(`${said}\n\n${rows(rest)}`);
  if (cache && options.flag('verbose')) process.stdout.write(rows({ cache }));
}

function verdict({ self_test, loaded }: Report): string {
  const test = String(self_test);
  if (test.startsWith('passed')) return `Looking works here, with ${String(loaded).replace(/ \(.*/, '')}.`;
  if (test.startsWith('failed: ')) return `Looking does not work here: ${test.slice('failed: '.length)}`;
  return `Looking was not tested: ${test}`;
}

function rows(report: Report): string {
  return Object.entries(report)
    .flatMap(([name, value]) =>
      typeof value !== 'object' || value === null
        ? [`${name.padEnd(31)} ${String(value)}\n`]
        : Object.entries(value).map(
            ([part, detail]) => `${`${name} ${part}`.padEnd(31)} ${String(detail)}\n`,
          ),
    )
    .join('');
}

function gib(bytes: number): string {
  return (bytes / GIB).toFixed(1);
}
