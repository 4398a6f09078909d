// afterimage doctor --metal: the device, its limits, and how every kernel compares with the CPU, to be pasted into a
// report.
import { loadAddon } from '../engine/native.js';

const GIB = 2 ** 30;

interface Verdict {
  kernel: string;
  cases: number;
  passed: boolean;
  /** Largest |metal − cpu| / (1 + max |cpu|). */
  distance?: number;
  failure?: string;
}
type MetalReport =
  | { available: false; reason: string }
  | {
      available: true;
      identity: string;
      device: string;
      families: string[];
      unified_memory: boolean;
      working_set_bytes: number;
      max_buffer_bytes: number;
      threadgroup_memory_bytes: number;
      threads_per_threadgroup: number;
      copy_bytes_per_second: number;
      failed_kernels: number;
      kernels: Verdict[];
    };

/** Name and value of each line, in order. */
export function metalReport(): Record<string, unknown> {
  const report = JSON.parse(loadAddon().metalReport()) as MetalReport;
  if (!report.available) return { metal: `not available: ${report.reason}` };
  const kernels = Object.fromEntries(report.kernels.map((verdict) => [verdict.kernel, describe(verdict)]));
  return {
    metal: report.identity,
    device: report.device,
    families: report.families.join(' '),
    limits: {
      unified_memory: report.unified_memory,
      working_set: `${(report.working_set_bytes / GIB).toFixed(1)} GiB`,
      buffer: `${(report.max_buffer_bytes / GIB).toFixed(1)} GiB`,
      threadgroup_memory: `${report.threadgroup_memory_bytes} bytes`,
      threads: report.threads_per_threadgroup,
    },
    copy_speed: report.copy_bytes_per_second
      ? `${(report.copy_bytes_per_second / 1e9).toFixed(1)} GB/s read and written, 64 MiB at a time`
      : 'could not be measured',
    kernel: kernels,
    verdict:
      report.failed_kernels === 0
        ? `all ${report.kernels.length} kernels passed`
        : `${report.failed_kernels} of ${report.kernels.length} kernels failed; the CPU takes their place`,
  };
}

function describe({ passed, cases, distance, failure }: Verdict): string {
  return passed ? `passed, ${cases} cases, distance ${distance}` : `FAILED: ${failure}`;
}
