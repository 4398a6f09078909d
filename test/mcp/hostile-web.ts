// A web server and a resolver that misbehave, for tests of images by URL. It listens on an address of its own, which
// stands for a public one; every other address is judged as in production.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isPublicAddress } from '../../src/image/address.js';
import { URLS_ALLOWED, type UrlPolicy } from '../../src/image/download.js';

const PUBLIC_FOR_US = '127.0.0.77';
export const WEB_DEADLINE_MS = 700;

export interface HostileWeb {
  policy: UrlPolicy;
  /** Address of a path under the host `public.test`. */
  url(path: string, host?: string): string;
  /** Requests that arrived, as host and path. */
  seen: string[];
  close(): void;
}

export async function startHostileWeb(png: Buffer): Promise<HostileWeb> {
  const seen: string[] = [];
  let port = 0;
  const server: Server = createServer((request, response) => {
    seen.push(`${request.headers.host} ${request.url}`);
    answer(request, response, png, port);
  });
  await new Promise<void>((resolve) => server.listen(0, PUBLIC_FOR_US, resolve));
  port = (server.address() as AddressInfo).port;
  return {
    seen,
    policy: {
      ...URLS_ALLOWED,
      ports: [80, 443, port],
      deadlineMs: WEB_DEADLINE_MS,
      resolve: resolver(),
      isAddressAllowed: (address) => address === PUBLIC_FOR_US || isPublicAddress(address),
    },
    url: (path, host = 'public.test') => `http://${host}:${port}${path}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** `rebind.test` is public when it is asked for first and private ever after. */
function resolver(): UrlPolicy['resolve'] {
  let rebound = false;
  const fixed: Record<string, string[]> = {
    'public.test': [PUBLIC_FOR_US],
    'private.test': ['10.1.2.3'],
    'mixed.test': [PUBLIC_FOR_US, '192.168.1.1'],
    'metadata.test': ['169.254.169.254'],
    'mapped.test': ['::ffff:127.0.0.1'],
    'nowhere.test': [],
  };
  return async (host) => {
    const addresses = host === 'rebind.test' ? [rebound ? '127.0.0.1' : PUBLIC_FOR_US] : fixed[host];
    if (host === 'rebind.test') rebound = true;
    if (!addresses) throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' });
    return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  };
}

function answer(request: IncomingMessage, response: ServerResponse, png: Buffer, port: number): void {
  const redirect = (location: string) => response.writeHead(302, { Location: location }).end();
  const trickle = (chunk: Buffer, everyMs: number) => {
    const timer = setInterval(() => response.write(chunk), everyMs);
    response.on('close', () => clearInterval(timer));
  };
  const pages: Record<string, () => void> = {
    '/ok.png': () => response.end(png),
    '/to-private': () => redirect('http://10.0.0.1/a.png'),
    '/to-loopback': () => redirect(`http://127.0.0.1:${port}/ok.png`),
    '/to-metadata': () => redirect('http://169.254.169.254/latest/meta-data/'),
    '/to-file': () => redirect('file:///etc/passwd'),
    '/to-private-name': () => redirect(`http://private.test:${port}/ok.png`),
    '/to-rebound': () => redirect(`http://rebind.test:${port}/ok.png`),
    '/loop': () => redirect('/loop'),
    '/slow-head': () => {},
    '/slow-body': () => {
      response.writeHead(200, { 'Content-Type': 'image/png' });
      trickle(Buffer.alloc(1), 50);
    },
    '/endless': () => {
      response.writeHead(200, { 'Content-Type': 'image/png' });
      trickle(Buffer.alloc(4 * 2 ** 20), 1);
    },
    '/claims-a-terabyte': () =>
      void response.writeHead(200, { 'Content-Length': String(2 ** 40) }).write(png),
    '/claims-more': () => {
      response.writeHead(200, { 'Content-Length': String(png.length + 100) }).write(png);
      setTimeout(() => response.destroy(), 50);
    },
    '/claims-less': () => {
      request.socket.end(
        `HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\n${png.toString('latin1')}`,
        'latin1',
      );
    },
    '/gzip': () => response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(png),
    '/page.png': () =>
      response.writeHead(200, { 'Content-Type': 'image/png' }).end('<html><body>not an image</body></html>'),
    '/drawing.png': () =>
      response.end('<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'),
  };
  (pages[request.url ?? ''] ?? (() => response.writeHead(404).end('not here')))();
}
