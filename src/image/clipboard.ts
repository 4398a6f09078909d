// "clipboard": the picture that was copied last, from what each system brings: osascript, PowerShell (also from inside
// WSL), wl-paste, xclip.
import { execFile } from 'node:child_process';
import { AfterimageError } from '../errors.js';

/** Standard output of a program. @throws an error with code ENOENT when there is no such program. */
export type RunProgram = (program: string, args: string[]) => Promise<Buffer>;

export interface Desktop {
  platform: NodeJS.Platform;
  env: NodeJS.ProcessEnv;
  run: RunProgram;
}

const PATIENCE_MS = 10_000;
const LONGEST = 256 * 2 ** 20;

const run: RunProgram = (program, args) =>
  new Promise((resolve, reject) => {
    const options = {
      encoding: 'buffer' as const,
      timeout: PATIENCE_MS,
      maxBuffer: LONGEST,
      windowsHide: true,
    };
    execFile(program, args, options, (error, stdout) => (error ? reject(error as Error) : resolve(stdout)));
  });

const HERE: Desktop = { platform: process.platform, env: process.env, run };

const POWERSHELL = [
  '-NoProfile',
  '-STA',
  '-Command',
  'Add-Type -AssemblyName System.Windows.Forms,System.Drawing; $i=[Windows.Forms.Clipboard]::GetImage(); if($i){' +
    '$m=New-Object IO.MemoryStream; $i.Save($m,[Drawing.Imaging.ImageFormat]::Png); [Convert]::ToBase64String($m.ToArray())}',
];

/** In the order in which they are asked for. */
const TYPES = ['image/png', 'image/jpeg', 'image/webp', 'image/bmp', 'image/tiff'];

/** @throws AfterimageError IMAGE_NOT_FOUND when it holds no picture, CLIPBOARD_FAILED when it cannot be read. */
export async function clipboardPicture(desktop: Desktop = HERE): Promise<Uint8Array> {
  const bytes = await readerOf(desktop)(desktop.run).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') throw noProgram(desktop, cause);
    // Every program ends with an error when there is nothing of the type that was asked for.
    return new Uint8Array(0);
  });
  if (bytes.length > 0) return bytes;
  throw new AfterimageError(
    'IMAGE_NOT_FOUND',
    'The clipboard holds no picture; copy one and try again, or give its path.',
  );
}

function readerOf({ platform, env }: Desktop): (run: RunProgram) => Promise<Uint8Array> {
  if (platform === 'darwin') return appleScript;
  if (platform === 'win32' || env['WSL_DISTRO_NAME']) return powerShell;
  return env['WAYLAND_DISPLAY'] ? wayland : x11;
}

/** Prints «data PNGf89504E47…». */
async function appleScript(run: RunProgram): Promise<Uint8Array> {
  const text = (await run('osascript', ['-e', 'the clipboard as «class PNGf»'])).toString('utf8');
  return Buffer.from(/PNGf([0-9A-F]+)/i.exec(text)?.[1] ?? '', 'hex');
}

async function powerShell(run: RunProgram): Promise<Uint8Array> {
  return Buffer.from((await run('powershell.exe', POWERSHELL)).toString('latin1').trim(), 'base64');
}

async function wayland(run: RunProgram): Promise<Uint8Array> {
  const type = offered(await run('wl-paste', ['--list-types']));
  return type ? run('wl-paste', ['--no-newline', '--type', type]) : new Uint8Array(0);
}

async function x11(run: RunProgram): Promise<Uint8Array> {
  const ask = (target: string) => run('xclip', ['-selection', 'clipboard', '-out', '-target', target]);
  const type = offered(await ask('TARGETS'));
  return type ? ask(type) : new Uint8Array(0);
}

function offered(list: Buffer): string | undefined {
  const types = list.toString('utf8').split(/\s+/);
  return TYPES.find((type) => types.includes(type));
}

function noProgram({ platform, env }: Desktop, cause: Error): AfterimageError {
  const program = env['WAYLAND_DISPLAY'] ? 'wl-clipboard' : 'xclip';
  const next = platform === 'linux' && !env['WSL_DISTRO_NAME'] ? `install ${program}` : 'save the picture';
  return new AfterimageError(
    'CLIPBOARD_FAILED',
    `The clipboard cannot be read here; ${next}, or give the picture's path.`,
    { cause },
  );
}
