// What the engine's cache holds, as one client sees it: its own pictures by their handles, those of others as a number.
// The prefixes' words are told to nobody.
import type { Engine, KeptTree } from '../../engine/engine.js';
import { imageIdOf } from '../../image/key.js';
import type { App } from '../../mcp/app.js';

export interface Prefix {
  /** Index of the branch that it goes on from, before this one's. */
  parent?: number;
  tokens: number;
  bytes: number;
  where: 'memory' | 'both' | 'disk';
  /** The client's, that begin in it; a part of a picture by the handle of the whole. */
  pictures: { id: string; name?: string }[];
  /** Pictures of others, or such that this server has forgotten. */
  others: number;
}

export interface Prefixes {
  branches: Prefix[];
  /** How many smaller ones were left out. */
  more: number;
}

/** Between two listings: where the counters say that something changed, and where they do not. */
const LOOK_MS = 1000;
const IDLE_MS = 5000;

/** @returns a function that gives the last listing at once and sees to the next; null where the engine has none. */
export function prefixesOf(engine: Engine, app: App): () => Prefixes | null {
  let tree: KeptTree | null = null;
  let [listedAt, counted, listing] = [-Infinity, '', false];
  const list = async (): Promise<void> => {
    try {
      tree = await engine.tree();
    } catch (error) {
      // A model that is being closed has no tree any more.
      tree = null;
      app.log.warn({ error: (error as Error).message }, 'the prefix tree could not be listed');
    } finally {
      listing = false;
    }
  };
  return () => {
    const [now, count] = [performance.now(), JSON.stringify(engine.status().cache)];
    // An engine in the middle of a long run answers late: nobody waits for it.
    if (!listing && now - listedAt >= (count === counted ? IDLE_MS : LOOK_MS)) {
      [listing, listedAt, counted] = [true, now, count];
      void list();
    }
    return tree && named(tree, app);
  };
}

function named({ branches, more }: KeptTree, app: App): Prefixes {
  const known = knownTo(app);
  return {
    branches: branches.map(({ images, ...branch }) => {
      const pictures = images.flatMap((id) => known.get(id) ?? []);
      return { ...branch, pictures, others: images.length - pictures.length };
    }),
    more,
  };
}

/** By the handle of what the model looked at. */
function knownTo({ conversations, images }: App): Map<string, Prefix['pictures'][number]> {
  const known = new Map(images.store.list().map(({ imageId }) => [imageId, { id: imageId }]));
  for (const { turns } of conversations.list())
    for (const { pictures } of turns)
      for (const { imageId, input } of pictures)
        known.set(imageIdOf(input.pixelHash), {
          id: imageId,
          ...(input.name !== undefined && { name: input.name }),
        });
  return known;
}
