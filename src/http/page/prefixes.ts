// Prompts as the cache sees them: [system][images][question], so those that begin alike share what was computed. Drawn from
// the sessions of one client, which are what its prompts are made of.
import type { Conversation } from '../../ask/conversations.js';

export interface Prefix {
  kind: 'system' | 'image' | 'question';
  /** Of an image: its handle; of a question: its words, cut short. */
  label: string;
  name?: string;
  /** Sessions whose prompts go through here. */
  sessions: number;
  children: Prefix[];
}

const LONGEST_LABEL = 120;
/** A person looks at it. */
const MOST_SESSIONS = 24;

/** @param conversations Least recently used first; the most recent ones are drawn. */
export function prefixTree(conversations: readonly Conversation[]): Prefix {
  const root = prefix('system', 'Fixed instructions');
  for (const { turns } of conversations.slice(-MOST_SESSIONS).reverse()) {
    root.sessions++;
    let at = root;
    for (const { pictures, question } of turns) {
      for (const { imageId, input } of pictures) at = child(at, 'image', imageId, input.name);
      at = child(at, 'question', question);
    }
  }
  return root;
}

function child(parent: Prefix, kind: Prefix['kind'], label: string, name?: string): Prefix {
  const short = label.length > LONGEST_LABEL ? `${label.slice(0, LONGEST_LABEL)}…` : label;
  let found = parent.children.find((one) => one.kind === kind && one.label === short);
  if (!found) parent.children.push((found = prefix(kind, short, name)));
  found.sessions++;
  return found;
}

function prefix(kind: Prefix['kind'], label: string, name?: string): Prefix {
  return { kind, label, ...(name !== undefined && { name }), sessions: 0, children: [] };
}
