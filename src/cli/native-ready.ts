// Whoever waits at a terminal sees the build of a missing native engine through; a server's calls wait for a while only.
import { addonReady } from '../engine/native.js';
import { ProgressBar } from './progress-bar.js';

/** @throws AfterimageError NATIVE_MISSING; NATIVE_BUILDING when `signal` ends the waiting */
export async function nativeReady(signal?: AbortSignal): Promise<void> {
  const bar = new ProgressBar();
  let said = false;
  const onProgress: Parameters<typeof addonReady>[0] = (progress) => {
    if (!said)
      process.stderr.write(
        'There is no package of the native engine that runs here: it is being built, once.\n',
      );
    said = true;
    bar.update(progress);
  };
  await addonReady(onProgress, { patienceMs: Infinity, signal }).finally(() => bar.clear());
}
