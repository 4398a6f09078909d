// A registry on loopback that has the tarballs it is given and nothing else: their packuments, and the bytes.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename } from 'node:path';

export interface Registry {
  url: string;
  /** Of the tarballs handed out since the last call. */
  takeBytes(): number;
  close(): void;
}

interface Manifest {
  name: string;
  version: string;
  dist?: { tarball: string; integrity: string };
}

export async function startRegistry(tarballs: string[]): Promise<Registry> {
  const content = new Map(tarballs.map((file) => [`/-/${basename(file)}`, readFileSync(file)]));
  const versions = new Map<string, Manifest[]>();
  let bytes = 0;
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url!, 'http://registry').pathname);
    const tarball = content.get(path);
    if (tarball) {
      bytes += tarball.length;
      response.end(tarball);
    } else sendPackument(versions.get(path.slice(1)), response);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const file of tarballs) {
    const manifest = manifestOf(file);
    const path = `/-/${basename(file)}`;
    const integrity = `sha512-${createHash('sha512').update(content.get(path)!).digest('base64')}`;
    const known = versions.get(manifest.name) ?? [];
    versions.set(manifest.name, [...known, { ...manifest, dist: { tarball: url + path, integrity } }]);
  }
  const takeBytes = () => {
    const taken = bytes;
    bytes = 0;
    return taken;
  };
  return { url, takeBytes, close: () => void server.close() };
}

function sendPackument(versions: Manifest[] | undefined, response: ServerResponse): void {
  response.setHeader('content-type', 'application/json');
  if (!versions) return void response.writeHead(404).end('{"error":"not_found"}');
  const packument = {
    name: versions[0]!.name,
    'dist-tags': { latest: versions.at(-1)!.version },
    versions: Object.fromEntries(versions.map((manifest) => [manifest.version, manifest])),
  };
  response.end(JSON.stringify(packument));
}

function manifestOf(tarball: string): Manifest {
  return JSON.parse(
    execFileSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' }),
  ) as Manifest;
}
