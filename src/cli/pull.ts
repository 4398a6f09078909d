// afterimage pull
import { AfterimageError } from '../errors.js';
import type { PullProgress } from '../pull/progress.js';
import { pull } from '../pull/pull.js';
import { writeJson } from './json-line.js';
import type { Options } from './options.js';
import { StatusLine } from './progress-bar.js';
import { usage } from './told.js';

/** `afterimage pull ORG/NAME[:QUANTIZATION][@REVISION] [--revision REVISION]` */
export async function pullModel(options: Options, signal: AbortSignal): Promise<void> {
  const [wanted] = options.positionals;
  if (!wanted) throw usage('afterimage pull ORG/NAME[:QUANTIZATION][@REVISION]');
  const [repository, attached] = wanted.split(/@(.*)/s) as [string, string | undefined];
  const revision = options.text('revision') ?? attached;
  if (attached !== undefined && revision !== attached)
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `"${wanted}" and --revision name different revisions; leave one out.`,
    );
  const line = new StatusLine();
  try {
    const { folder, commit } = await pull(repository, {
      revision,
      signal,
      onProgress: (progress) => {
        const { doneBytes, totalBytes, file } = progress;
        const tenth = totalBytes > 0 ? Math.floor((10 * doneBytes) / totalBytes) : 10;
        line.show(progressLine(progress, process.stderr.columns), file, String(tenth));
      },
    });
    line.clear();
    if (options.flag('json')) writeJson({ model: repository, folder, commit });
    else process.stdout.write(`${folder} (commit ${commit})\n`);
  } finally {
    line.clear();
  }
}

/** `45 %  3.2 of 7.1 GB  12.3 MB/s  5 min left  model-00001-of-00002.safetensors` */
export function progressLine(progress: PullProgress, columns = Infinity): string {
  const { file, doneBytes, totalBytes, bytesPerSecond, secondsLeft } = progress;
  const percent = totalBytes > 0 ? Math.floor((doneBytes / totalBytes) * 100) : 100;
  const parts = [
    `${percent} %`,
    `${(doneBytes / 1e9).toFixed(1)} of ${(totalBytes / 1e9).toFixed(1)} GB`,
    ...(bytesPerSecond === undefined ? [] : [`${(bytesPerSecond / 1e6).toFixed(1)} MB/s`]),
    ...(secondsLeft === undefined ? [] : [`${duration(secondsLeft)} left`]),
    file,
  ];
  // Whole parts, the first of them the most important, as far as there is room.
  return parts.reduce((line, part) => (`${line}  ${part}`.length < columns ? `${line}  ${part}` : line));
}

function duration(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
