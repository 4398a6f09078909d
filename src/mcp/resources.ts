// Resources: the server's state, thumbnails of images seen, pictures drawn for results. All by reference, none in results.
import {
  ResourceNotFoundError,
  ResourceTemplate,
  type McpServer,
  type ReadResourceResult,
} from '@modelcontextprotocol/server';
import { AfterimageError } from '../errors.js';
import { IMAGE_URI, isImageId } from '../image/key.js';
import { loadImage } from '../image/load.js';
import { shown, thumbnail as thumbnailOf } from '../image/pixel-jobs.js';
import type { RgbImage } from '../image/rgb-image.js';
import { DRAWING_URIS, type DrawingKind } from '../ask/drawings.js';
import type { App } from './app.js';

const STATUS_URI = 'afterimage://status';
const PNG = 'image/png';
const WEBP = 'image/webp';
const THUMBNAIL_SIDE = 512;
/** Of a picture that is shown to people, who read what stands in it. */
const MOST_SIDE = 2048;

export function registerResources(server: McpServer, app: App): void {
  server.registerResource(
    'status',
    STATUS_URI,
    { title: 'Status', description: 'Model, memory and cache of this server.', mimeType: 'application/json' },
    () => ({
      contents: [
        { uri: STATUS_URI, mimeType: 'application/json', text: JSON.stringify(status(app), null, 2) },
      ],
    }),
  );
  server.registerResource(
    'image',
    byId(IMAGE_URI, () => recentImages(app).map((id) => ({ id, title: `Image ${id}` }))),
    {
      title: 'Image',
      description: `Thumbnail of an image seen lately, at most ${THUMBNAIL_SIDE} pixels.`,
      mimeType: PNG,
    },
    (uri) => picture(uri, app),
  );
  for (const kind of ['diff', 'places'] as const) {
    const { title, description } = DRAWN[kind];
    server.registerResource(
      kind,
      byId(DRAWING_URIS[kind], () => app.drawings.list(kind).map((id) => ({ id, title: `${title} ${id}` }))),
      { title, description, mimeType: PNG },
      (uri, { id }) => png(uri, async () => app.drawings.get(String(id))),
    );
  }
}

const DRAWN: Record<DrawingKind, { title: string; description: string }> = {
  diff: { title: 'Difference', description: 'Difference picture of an earlier compare_images.' },
  places: { title: 'Places', description: 'The picture with the places of an earlier locate, numbered.' },
};

/** Image ids, most recent first. */
export function recentImages(app: App): string[] {
  return app.images.store
    .list()
    .map(({ imageId }) => imageId)
    .reverse();
}

function byId(prefix: string, known: () => { id: string; title: string }[]): ResourceTemplate {
  return new ResourceTemplate(`${prefix}{id}`, {
    list: () => ({
      resources: known().map(({ id, title }) => ({ uri: `${prefix}${id}`, name: id, title, mimeType: PNG })),
    }),
    complete: { id: (typed) => known().flatMap(({ id }) => (id.startsWith(typed) ? [id] : [])) },
  });
}

async function png(uri: URL, make: () => Promise<Uint8Array | undefined>): Promise<ReadResourceResult> {
  const bytes = await make();
  if (!bytes) throw new ResourceNotFoundError(uri.href);
  return { contents: [{ uri: uri.href, mimeType: PNG, blob: Buffer.from(bytes).toString('base64') }] };
}

/** As a thumbnail, or with `?side=N` as a person looks at it. */
async function picture(uri: URL, app: App): Promise<ReadResourceResult> {
  const id = uri.pathname.slice(1);
  const side = Number(uri.searchParams.get('side'));
  if (!(side > 0))
    return png(uri, () => seen(id, app, (image) => thumbnailOf({ image, maxSide: THUMBNAIL_SIDE })));
  const bytes = await shownPicture(id, side, app);
  if (!bytes) throw new ResourceNotFoundError(uri.href);
  return { contents: [{ uri: uri.href, mimeType: WEBP, blob: Buffer.from(bytes).toString('base64') }] };
}

/** WebP with no side longer than `side`; undefined for a picture that was not seen here. */
export function shownPicture(id: string, side: number, app: App): Promise<Uint8Array | undefined> {
  return seen(id, app, (image) => shown({ image, maxSide: Math.min(side, MOST_SIDE) }));
}

/** Only what was seen can be seen again: a resource address never leads to a file. */
async function seen(
  id: string,
  app: App,
  made: (image: RgbImage) => Promise<Uint8Array>,
): Promise<Uint8Array | undefined> {
  if (!isImageId(id)) return undefined;
  try {
    return await made(await (await loadImage(id, app.images)).pixels());
  } catch (error) {
    if (error instanceof AfterimageError && error.code === 'UNKNOWN_IMAGE') return undefined;
    throw error;
  }
}

function status({ engine, conversations, images, drawings }: App): object {
  const { model, state, sessions, cache } = engine.status();
  return {
    state,
    model,
    sessions: { conversations: conversations.size, engine: sessions },
    images: { stored: images.store.list().length, bytes: images.store.bytes },
    differences: drawings.list('diff').length,
    cache,
  };
}
