// A hostile web, on loopback: the policy of the tests lets public addresses and, where a case says so, ours through.
import assert from 'node:assert/strict';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { isPublicAddress } from '../../src/image/address.js';
import { download, URLS_ALLOWED, URLS_OFF, type UrlPolicy } from '../../src/image/download.js';
import { createImageContext, loadImage } from '../../src/image/load.js';
import { encode, noise } from './pictures.js';

const MAX = 100_000;
const png = await encode(noise(16, 12), 'png');
let server: Server;
let port = 0;
let requests: string[] = [];

const answers: Record<string, (response: ServerResponse, host: string) => void> = {
  '/picture.png': (response) => response.end(png),
  '/name': (response, host) => response.end(host),
  '/redirect': (response) => response.writeHead(302, { location: '/picture.png' }).end(),
  '/to-private': (response) =>
    response.writeHead(302, { location: `http://10.0.0.1:${port}/picture.png` }).end(),
  '/to-metadata': (response) =>
    response.writeHead(301, { location: `http://169.254.169.254:${port}/latest` }).end(),
  '/to-file': (response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
  '/to-name': (response) =>
    response.writeHead(307, { location: `http://inside.example:${port}/picture.png` }).end(),
  '/to-port': (response) => response.writeHead(302, { location: 'http://public.example:22/' }).end(),
  '/loop': (response) => response.writeHead(302, { location: '/loop' }).end(),
  '/nowhere': (response) => response.writeHead(302, { location: 'http://[' }).end(),
  '/missing': (response) => response.writeHead(404).end('no'),
  '/zipped': (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
  '/announced': (response) => response.writeHead(200, { 'content-length': String(MAX + 1) }).end(),
  '/endless': (response) => {
    const timer = setInterval(() => response.write(Buffer.alloc(20_000)), 1);
    response.on('close', () => clearInterval(timer));
  },
  '/slow': (response) => {
    const timer = setInterval(() => response.write('x'), 50);
    response.on('close', () => clearInterval(timer));
  },
  '/silent': () => {},
  '/short': (response) => {
    response.writeHead(200, { 'content-length': '5000' });
    response.write('x'.repeat(100));
    setTimeout(() => response.destroy(), 20);
  },
};

before(async () => {
  server = createServer((request, response) => {
    requests.push(`${request.headers.host} ${request.url}`);
    answers[request.url!]!(response, request.headers.host!);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

/** Lets loopback through as if it were public; names with "inside" in them resolve to a private address. */
function policy(changes: Partial<UrlPolicy> = {}): UrlPolicy {
  return {
    ...URLS_ALLOWED,
    ports: [80, 443, port],
    deadlineMs: 600,
    resolve: async (hostname) => [
      { address: hostname.startsWith('inside') ? '192.168.1.5' : '127.0.0.1', family: 4 },
    ],
    isAddressAllowed: (address) => address === '127.0.0.1' || isPublicAddress(address),
    ...changes,
  };
}

const fetchPath = (path: string, changes?: Partial<UrlPolicy>) =>
  download(`http://public.example:${port}${path}`, policy(changes), MAX);

test('a picture is fetched, also behind redirects, with the name it was asked by', async () => {
  assert.deepEqual(Buffer.from(await fetchPath('/picture.png')), png);
  assert.deepEqual(Buffer.from(await fetchPath('/redirect')), png);
  assert.equal(Buffer.from(await fetchPath('/name')).toString(), `public.example:${port}`);
});

test('a fetched picture is an image like any other', async () => {
  const image = await loadImage(
    `http://public.example:${port}/picture.png`,
    createImageContext({ folders: [], urls: policy() }),
  );
  assert.deepEqual([image.width, image.height], [16, 12]);
  assert.equal(image.name, `http://public.example:${port}/picture.png`);
});

test('without the flag nothing is even resolved', async () => {
  const resolve = () => assert.fail('resolved');
  await assert.rejects(download('http://public.example/a.png', { ...URLS_OFF, resolve }, MAX), {
    code: 'URL_NOT_ALLOWED',
    message: /--allow-urls/,
  });
});

for (const [name, path, code] of [
  ['a redirect to a private address', '/to-private', 'URL_NOT_ALLOWED'],
  ['a redirect to the metadata address', '/to-metadata', 'URL_NOT_ALLOWED'],
  ['a redirect to a file', '/to-file', 'URL_NOT_ALLOWED'],
  ['a redirect to a name inside', '/to-name', 'URL_NOT_ALLOWED'],
  ['a redirect to another port', '/to-port', 'URL_NOT_ALLOWED'],
  ['a circle of redirects', '/loop', 'URL_FAILED'],
  ['a redirect to nowhere', '/nowhere', 'URL_FAILED'],
  ['a missing page', '/missing', 'URL_FAILED'],
  ['a compressed body', '/zipped', 'URL_FAILED'],
  ['a body announced too large', '/announced', 'IMAGE_TOO_LARGE'],
  ['a body that never ends', '/endless', 'IMAGE_TOO_LARGE'],
  ['a body that drips', '/slow', 'URL_FAILED'],
  ['a server that says nothing', '/silent', 'URL_FAILED'],
  ['a body shorter than announced', '/short', 'URL_FAILED'],
] as const) {
  test(`${name} ends in ${code}`, async () => {
    const started = performance.now();
    await assert.rejects(fetchPath(path), { name: 'AfterimageError', code, message: /^[^\n]+\.$/ });
    assert.ok(performance.now() - started < 5_000);
  });
}

test('a body longer than announced is cut where it was announced to end', async () => {
  const lying = createTcpServer((socket) =>
    socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n${'x'.repeat(5000)}`)),
  );
  await new Promise<void>((resolve) => lying.listen(0, '127.0.0.1', resolve));
  const lyingPort = (lying.address() as AddressInfo).port;
  const body = download(`http://public.example:${lyingPort}/`, policy({ ports: [lyingPort] }), MAX);
  assert.ok(
    await body.then(
      (bytes) => bytes.length === 4,
      (error: { code: string }) => error.code === 'URL_FAILED',
    ),
  );
  lying.close();
});

test('headers without end are not read', async () => {
  const chatty = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\n${`X: ${'x'.repeat(1000)}\r\n`.repeat(200)}`));
  });
  await new Promise<void>((resolve) => chatty.listen(0, '127.0.0.1', resolve));
  const chattyPort = (chatty.address() as AddressInfo).port;
  await assert.rejects(
    download(`http://public.example:${chattyPort}/`, policy({ ports: [chattyPort] }), MAX),
    { code: 'URL_FAILED' },
  );
  chatty.close();
});

for (const url of [
  'http://127.0.0.1/a.png',
  'http://localhost/a.png',
  'http://2130706433/a.png',
  'http://0x7f.1/a.png',
  'http://0177.0.0.1/a.png',
  'http://0/a.png',
  'http://10.1.2.3/a.png',
  'http://172.16.0.1/a.png',
  'http://192.168.0.1/a.png',
  'http://100.64.0.1/a.png',
  'http://100.100.100.200/latest/meta-data',
  'http://169.254.169.254/latest/meta-data',
  'http://168.63.129.16/machine',
  'http://224.0.0.1/a.png',
  'http://255.255.255.255/a.png',
  'http://[::1]/a.png',
  'http://[::]/a.png',
  'http://[::ffff:127.0.0.1]/a.png',
  'http://[::ffff:7f00:1]/a.png',
  'http://[::127.0.0.1]/a.png',
  'http://[fe80::1]/a.png',
  'http://[fd00:ec2::254]/a.png',
  'http://[fec0::1]/a.png',
  'http://[64:ff9b::7f00:1]/a.png',
  'http://[64:ff9b:1::7f00:1]/a.png',
  'http://[2002:7f00:1::]/a.png',
  'http://[2001:0:1::]/a.png',
  'http://[ff02::1]/a.png',
  'http://[4000::1]/a.png',
  'http://[1::1]/a.png',
  'http://[e000::1]/a.png',
  'http://[100::1]/a.png',
  'http://[2001:db8::1]/a.png',
  'http://[3fff::1]/a.png',
  'http://[5f00::1]/a.png',
  'http://user:secret@example.org/a.png',
  'http://example.org:22/a.png',
  'http://example.org:8080/a.png',
]) {
  test(`${url} is refused`, async () => {
    const real = { ...URLS_ALLOWED, resolve: async () => [{ address: '127.0.0.1', family: 4 }] };
    await assert.rejects(download(url, real, MAX), { code: 'URL_NOT_ALLOWED', message: /^[^\n]+\.$/ });
  });
}

test('public addresses pass', () => {
  for (const address of [
    '8.8.8.8',
    '1.1.1.1',
    '93.184.216.34',
    '2606:4700:4700::1111',
    '2a00:1450:4001::1',
    '::ffff:8.8.8.8',
  ]) {
    assert.ok(isPublicAddress(address), address);
  }
  for (const text of ['', 'localhost', '8.8.8', 'fe80::1%eth0', '8.8.8.8%1'])
    assert.ok(!isPublicAddress(text), text);
});

test('one private address among public ones refuses the name', async () => {
  const resolve = async () => [
    { address: '8.8.8.8', family: 4 },
    { address: '::1', family: 6 },
  ];
  await assert.rejects(fetchPath('/picture.png', { resolve }), { code: 'URL_NOT_ALLOWED', message: /::1/ });
});

test('a name is resolved once and the connection goes to what was checked', async () => {
  let asked = 0;
  const resolve = async () => [{ address: asked++ === 0 ? '127.0.0.1' : '10.0.0.1', family: 4 }];
  assert.deepEqual(Buffer.from(await fetchPath('/picture.png', { resolve })), png);
  assert.equal(asked, 1);
  await assert.rejects(
    fetchPath('/redirect', {
      resolve: async () => [{ address: asked++ === 1 ? '127.0.0.1' : '10.0.0.1', family: 4 }],
    }),
    {
      code: 'URL_NOT_ALLOWED',
    },
  );
});

test('a name without an address, and a resolver that never answers, fail', async () => {
  await assert.rejects(fetchPath('/picture.png', { resolve: async () => [] }), { code: 'URL_FAILED' });
  await assert.rejects(fetchPath('/picture.png', { resolve: () => new Promise(() => {}) }), {
    code: 'URL_FAILED',
    message: /longer than/,
  });
});

test('a redirect beyond the limit is not followed', async () => {
  requests = [];
  await assert.rejects(fetchPath('/loop', { maxRedirects: 2 }), {
    code: 'URL_FAILED',
    message: /more than 2/,
  });
  assert.equal(requests.length, 3);
});

test('cancelling ends a download', async () => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 30);
  const url = `http://public.example:${port}/slow`;
  await assert.rejects(download(url, policy({ deadlineMs: 5_000 }), MAX, controller.signal), {
    code: 'CANCELLED',
  });
});
