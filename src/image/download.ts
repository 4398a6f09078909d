// An image from the web, for those who allowed it. The name is resolved once, every address is checked, and the
// connection goes to the checked address, again at each redirect: a resolver that changes its mind gains nothing.
import { lookup as resolveName } from 'node:dns/promises';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { AfterimageError } from '../errors.js';
import { unlessAborted } from '../unless-aborted.js';
import { sharedBytes } from '../workers/shared-bytes.js';
import { isPublicAddress } from './address.js';

/** Of a body whose length is not announced; then twice as many, each time. */
const FIRST_BYTES = 2 ** 18;

export interface ResolvedAddress {
  address: string;
  family: number;
}

export interface UrlPolicy {
  allowed: boolean;
  ports: readonly number[];
  maxRedirects: number;
  /** For everything together: names, connections, redirects, body. */
  deadlineMs: number;
  resolve(hostname: string): Promise<ResolvedAddress[]>;
  isAddressAllowed(address: string): boolean;
}

export const URLS_OFF: UrlPolicy = {
  allowed: false,
  ports: [80, 443],
  maxRedirects: 3,
  deadlineMs: 15_000,
  resolve: (hostname) => resolveName(hostname, { all: true, verbatim: true }),
  isAddressAllowed: isPublicAddress,
};

export const URLS_ALLOWED: UrlPolicy = { ...URLS_OFF, allowed: true };

/** @throws AfterimageError URL_NOT_ALLOWED, URL_FAILED, IMAGE_TOO_LARGE, CANCELLED. */
export async function download(
  reference: string,
  policy: UrlPolicy,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  if (!policy.allowed) {
    throw new AfterimageError(
      'URL_NOT_ALLOWED',
      'Images are not fetched from the web; start the server with --allow-urls, or save the image and give its path.',
    );
  }
  const deadline = AbortSignal.timeout(policy.deadlineMs);
  const stop = signal ? AbortSignal.any([signal, deadline]) : deadline;
  try {
    return await followRedirects(parseUrl(reference), policy, maxBytes, stop);
  } catch (cause) {
    if (signal?.aborted) throw new AfterimageError('CANCELLED', 'The request was cancelled.', { cause });
    if (cause instanceof AfterimageError) throw cause;
    const reason = deadline.aborted
      ? `it took longer than ${policy.deadlineMs / 1000} s`
      : cause instanceof Error
        ? cause.message
        : String(cause);
    throw new AfterimageError(
      'URL_FAILED',
      `The image could not be fetched: ${reason}. Save it and give its path.`,
      { cause },
    );
  }
}

async function followRedirects(
  start: URL,
  policy: UrlPolicy,
  maxBytes: number,
  stop: AbortSignal,
): Promise<Uint8Array> {
  let url = start;
  for (let hops = 0; hops <= policy.maxRedirects; hops++) {
    const response = await request(url, await pin(url, policy, stop), stop);
    try {
      const location = redirectTarget(response, url);
      if (!location) return await readBody(response, url, maxBytes);
      if (url.protocol === 'https:' && location.protocol === 'http:') {
        throw new AfterimageError(
          'URL_NOT_ALLOWED',
          `${url.host} redirects from https to http; give the final address.`,
        );
      }
      url = location;
    } finally {
      response.destroy();
    }
  }
  throw new AfterimageError(
    'URL_FAILED',
    `${start.host} redirects more than ${policy.maxRedirects} times; give the final address.`,
  );
}

function parseUrl(text: string, base?: string): URL {
  if (!URL.canParse(text, base)) {
    throw new AfterimageError('URL_FAILED', 'The address is not a valid URL; check it and try again.');
  }
  return new URL(text, base);
}

/** Checks a URL and resolves its host to the one address that will be connected to. */
async function pin(url: URL, policy: UrlPolicy, stop: AbortSignal): Promise<ResolvedAddress> {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new AfterimageError(
      'URL_NOT_ALLOWED',
      `${url.protocol} addresses are not fetched; use https, or give a path.`,
    );
  }
  if (url.username || url.password) {
    throw new AfterimageError('URL_NOT_ALLOWED', 'Addresses with a user name are not fetched; remove it.');
  }
  const port = url.port ? Number(url.port) : url.protocol === 'https:' ? 443 : 80;
  if (!policy.ports.includes(port)) {
    throw new AfterimageError(
      'URL_NOT_ALLOWED',
      `Port ${port} is not fetched from; only ${policy.ports.join(' and ')} are.`,
    );
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const literal = isIP(host);
  const addresses = literal
    ? [{ address: host, family: literal }]
    : await unlessAborted(policy.resolve(host), stop);
  const refused = addresses.find(({ address }) => !policy.isAddressAllowed(address));
  if (refused) {
    throw new AfterimageError(
      'URL_NOT_ALLOWED',
      `${url.host} leads to ${refused.address}, which is not a public address; save the image and give its path.`,
    );
  }
  if (addresses.length === 0) throw new Error(`${url.host} has no address`);
  return addresses[0]!;
}

function request(url: URL, pinned: ResolvedAddress, stop: AbortSignal): Promise<IncomingMessage> {
  const lookup: LookupFunction = (_host, options, done) => {
    if (options.all) done(null, [pinned]);
    else done(null, pinned.address, pinned.family);
  };
  const headers = {
    accept: 'image/*, application/pdf',
    'accept-encoding': 'identity',
    'user-agent': 'afterimage',
  };
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? https.request : http.request;
    // agent false: no pooled connection that was opened for another address.
    send(url, { lookup, headers, signal: stop, agent: false }, resolve).on('error', reject).end();
  });
}

function redirectTarget(response: IncomingMessage, url: URL): URL | undefined {
  const status = response.statusCode ?? 0;
  if (![301, 302, 303, 307, 308].includes(status)) return undefined;
  return parseUrl(response.headers.location ?? '', url.href);
}

async function readBody(response: IncomingMessage, url: URL, maxBytes: number): Promise<Uint8Array> {
  if (response.statusCode !== 200) throw new Error(`${url.host} answers with status ${response.statusCode}`);
  const encoding = response.headers['content-encoding'];
  if (encoding && encoding !== 'identity') throw new Error(`${url.host} sends it compressed as ${encoding}`);
  const announced = Number(response.headers['content-length'] ?? 0);
  if (announced > maxBytes) throw tooLarge(url, maxBytes);
  // Of what was announced nothing takes up memory before it comes.
  let body = sharedBytes(announced > 0 ? announced : FIRST_BYTES);
  let received = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (received + chunk.length > maxBytes) throw tooLarge(url, maxBytes);
    if (received + chunk.length > body.length) {
      const larger = sharedBytes(Math.max(2 * body.length, received + chunk.length));
      larger.set(body.subarray(0, received));
      body = larger;
    }
    body.set(chunk, received);
    received += chunk.length;
  }
  return body.subarray(0, received);
}

function tooLarge(url: URL, maxBytes: number): AfterimageError {
  const limit = `${(maxBytes / (1024 * 1024)).toFixed(1)} MB`;
  return new AfterimageError(
    'IMAGE_TOO_LARGE',
    `The image at ${url.host} is larger than the limit of ${limit}; raise --max-bytes.`,
  );
}
