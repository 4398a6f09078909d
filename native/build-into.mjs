// The addon for an installation that has none for its platform, built once for all who wait for it: whoever comes second
// leaves it to the first. Everybody reads FOLDER/status.json.
import { copyFileSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, BuildFailed } from './toolchain.mjs';

/** @param folder of the addon's own; made where absent */
export async function buildInto(folder) {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = join(folder, 'lock');
  if (!taken(lock)) return;
  const startedAt = Date.now();
  const tell = (status) =>
    write(join(folder, 'status.json'), JSON.stringify({ pid: process.pid, startedAt, ...status }));
  try {
    tell({ state: 'building', done: 0, total: 0 });
    const work = join(folder, 'build');
    await build({ folder: work, target: 'afterimage_addon', onProgress: (done, total) => tell({ state: 'building', done, total }) });
    const addon = join(folder, 'afterimage.node');
    copyFileSync(join(work, 'Release', 'afterimage.node'), `${addon}.part`);
    renameSync(`${addon}.part`, addon);
    rmSync(work, { recursive: true, force: true });
    tell({ state: 'built' });
  } catch (error) {
    const { message, output = '', toolsMissing = false } = error;
    write(join(folder, 'build.log'), output);
    tell({ state: 'failed', message, toolsMissing });
    if (!(error instanceof BuildFailed)) throw error;
  } finally {
    rmSync(lock, { force: true });
  }
}

/** False where a living process builds already. The lock of a dead one is taken over. */
function taken(lock) {
  try {
    const mine = `${lock}.${process.pid}`;
    writeFileSync(mine, String(process.pid));
    try {
      linkSync(mine, lock);
      return true;
    } finally {
      rmSync(mine);
    }
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  if (lives(Number(readFileSync(lock, 'utf8')))) return false;
  rmSync(lock, { force: true });
  return taken(lock);
}

function lives(pid) {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Readers never see half of it. */
function write(file, text) {
  writeFileSync(`${file}.part`, text);
  renameSync(`${file}.part`, file);
}
