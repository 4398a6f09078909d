// A folder full of things that are not what they seem, beside a folder that nobody may read from.
import { execFileSync } from 'node:child_process';
import { mkdirSync, openSync, symlinkSync, truncateSync, writeFileSync, closeSync } from 'node:fs';
import { createServer } from 'node:net';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';

export interface HostileFiles {
  allowed: string;
  outside: string;
  /** A valid picture that must never be reached. */
  secret: string;
  close(): void;
}

export async function makeHostileFiles(base: string): Promise<HostileFiles> {
  const allowed = `${base}/allowed`;
  const outside = `${base}/outside`;
  mkdirSync(`${allowed}/folder`, { recursive: true });
  mkdirSync(outside);
  // A sibling whose path begins with that of the allowed folder.
  mkdirSync(`${base}/allowed-not`);
  const png = await sharp({ create: { width: 64, height: 48, channels: 3, background: '#336699' } })
    .png()
    .toBuffer();
  const jpeg = await sharp({ create: { width: 640, height: 480, channels: 3, background: '#996633' } })
    .jpeg()
    .toBuffer();
  for (const file of [`${allowed}/ok.png`, `${outside}/secret.png`, `${base}/allowed-not/secret.png`])
    writeFileSync(file, png);
  const write = (name: string, content: string | Uint8Array) => writeFileSync(`${allowed}/${name}`, content);
  write('empty.png', '');
  write('ten-bytes.png', png.subarray(0, 10));
  write('truncated.png', png.subarray(0, Math.floor(png.length / 2)));
  write('truncated.jpg', jpeg.subarray(0, Math.floor(jpeg.length / 2)));
  write('text.png', 'This is not an image.');
  write(
    'drawing.png',
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>',
  );
  write(
    'entity.svg',
    '<?xml version="1.0"?><!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
  );
  write('page.png', '<!DOCTYPE html><html></html>');
  write('document.png', '%PDF-1.7\n');
  write('bomb.png', bombPng(30_000));
  write('bomb-header.png', bombPng(2_000_000_000));
  sparse(`${allowed}/too-large.png`, 21 * 2 ** 20, png);
  sparse(`${allowed}/enormous.png`, 2 ** 40, png);
  symlinkSync(`${outside}/secret.png`, `${allowed}/link.png`);
  symlinkSync('../outside/secret.png', `${allowed}/relative-link.png`);
  symlinkSync(`${allowed}/link.png`, `${allowed}/link-to-link.png`);
  symlinkSync(outside, `${allowed}/linked-folder`);
  symlinkSync(`${outside}/missing.png`, `${allowed}/dangling.png`);
  symlinkSync(`${allowed}/loop.png`, `${allowed}/loop.png`);
  symlinkSync('/dev/zero', `${allowed}/zero.png`);
  symlinkSync('/proc/self/environ', `${allowed}/environ.png`);
  execFileSync('mkfifo', [`${allowed}/pipe.png`]);
  const socket = createServer().listen(`${allowed}/socket.png`);
  return { allowed, outside, secret: `${outside}/secret.png`, close: () => socket.close() };
}

function sparse(file: string, bytes: number, head: Uint8Array): void {
  closeSync(openSync(file, 'w'));
  writeFileSync(file, head);
  truncateSync(file, bytes);
}

/** A small file that claims side × side pixels. */
function bombPng(side: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  // 1 bit of grey.
  header.set([1, 0, 0, 0, 0], 8);
  const rows = deflateSync(Buffer.alloc(1 + Math.ceil(Math.min(side, 30_000) / 8)));
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('IDAT', rows),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, check]);
}
