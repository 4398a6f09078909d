// Where checkpoints lie that may be asked for by name: our own folder, Hugging Face's cache, LM Studio's folders.
// Cache layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, sep } from 'node:path';
import { baseFolder } from '../base-folder.js';
import { TOKENIZER_FILES } from '../models/checkpoint/tiktoken.js';

export type PlaceKind = 'afterimage' | 'Hugging Face' | 'LM Studio';

/** A folder of models: `org/name` below it, or Hugging Face's `models--org--name/snapshots/<commit>`. */
export interface Place {
  kind: PlaceKind;
  root: string;
}

/** One copy of a checkpoint. */
export interface Copy {
  name: string;
  kind: PlaceKind;
  folder: string;
}

/** `org/name`, as the hub spells it; never a way out of the folder it is looked up in. */
export function isModelName(name: string): boolean {
  return /^[\w.-]+\/[\w.-]+$/.test(name) && !name.split('/').some((part) => /^\.+$/.test(part));
}

/** Our own folder, where older versions put what they pulled. */
export function modelsFolder(): string {
  return (
    process.env['AFTERIMAGE_MODELS'] ||
    join(baseFolder('XDG_DATA_HOME', '.local/share'), 'afterimage', 'models')
  );
}

export function huggingFaceHome(): string {
  return named('HF_HOME') ?? join(baseFolder('XDG_CACHE_HOME', '.cache'), 'huggingface');
}

/** The cache that transformers, mlx-vlm and `afterimage pull` share. */
export function hubFolder(): string {
  return named('HF_HUB_CACHE') ?? named('HUGGINGFACE_HUB_CACHE') ?? join(huggingFaceHome(), 'hub');
}

/** As Hugging Face's tools read it: a client's settings pass on what a shell would have replaced. */
function named(variable: string): string | undefined {
  const set = process.env[variable];
  if (!set) return undefined;
  return set
    .replace(
      /\$(?:\{(\w+)\}|(\w+))/g,
      (whole, braced?: string, bare?: string) => process.env[braced ?? bare!] ?? whole,
    )
    .replace(/^~(?=[/\\]|$)/, homedir());
}

/** In the order they are searched. */
export function modelPlaces(): Place[] {
  return [
    { kind: 'afterimage', root: modelsFolder() },
    { kind: 'Hugging Face', root: hubFolder() },
    ...lmStudioFolders().map((root): Place => ({ kind: 'LM Studio', root })),
  ];
}

/** Below the home it names, then where homes lay before it named any; its settings may put the models elsewhere. */
function lmStudioFolders(): string[] {
  const user = homedir();
  const homes = [
    textOf(join(user, '.lmstudio-home-pointer')) ?? '',
    join(user, '.lmstudio'),
    join(user, '.cache', 'lm-studio'),
  ].filter(isAbsolute);
  return [...new Set(homes.flatMap((home) => [...settledFolder(home), join(home, 'models')]))];
}

function settledFolder(home: string): string[] {
  try {
    const settings = JSON.parse(textOf(join(home, 'settings.json')) ?? '{}') as { downloadsFolder?: unknown };
    const { downloadsFolder: folder } = settings;
    return typeof folder === 'string' && isAbsolute(folder) ? [folder] : [];
  } catch {
    return []; // another program's file: where it says nothing, the usual folder is meant
  }
}

/** The model's folder in the cache. */
export function hubHome(root: string, name: string): string {
  return join(root, `models--${name.replace('/', '--')}`);
}

/** Every copy of a model, complete or not, in the order they are preferred. */
export function copiesOf(name: string): Copy[] {
  return modelPlaces().flatMap(({ kind, root }) => {
    const folders = kind === 'Hugging Face' ? snapshots(hubHome(root, name)) : [join(root, name)];
    return folders.filter(isFolder).map((folder) => ({ name, kind, folder }));
  });
}

/** Names of the models of all places, each once. */
export function namesThere(): string[] {
  const names = modelPlaces().flatMap(({ kind, root }) =>
    kind === 'Hugging Face'
      ? entries(root).flatMap((entry) => /^models--([^/]+?)--([^/]+)$/.exec(entry)?.slice(1).join('/') ?? [])
      : entries(root).flatMap((org) => entries(join(root, org)).map((name) => `${org}/${name}`)),
  );
  return [...new Set(names.filter(isModelName))].sort();
}

/** The snapshot that refs/main names, then the others, newest first. */
function snapshots(home: string): string[] {
  const folder = join(home, 'snapshots');
  const main = textOf(join(home, 'refs', 'main'));
  const byAge = entries(folder)
    .map((commit) => join(folder, commit))
    .filter(isFolder)
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  const preferred = byAge.find((snapshot) => snapshot === join(folder, main ?? ''));
  return preferred ? [preferred, ...byAge.filter((snapshot) => snapshot !== preferred)] : byAge;
}

const UNFINISHED = /\.(part|incomplete)$/;
const SHARD = /^(.+)-\d{5}-of-(\d{5})\.safetensors$/;

/** Whether config.json, a tokenizer that can be read and every shard are there, and nothing half downloaded is. */
export function isComplete(folder: string): boolean {
  const names = entries(folder);
  // A link of the cache whose blob was removed is listed, but leads nowhere.
  const present = new Set(names.filter((name) => existsSync(join(folder, name))));
  if (names.some((name) => UNFINISHED.test(name))) return false;
  const safe = [...present].some((name) => name.endsWith('.safetensors'));
  if (!safe) return hasGgufPair([...present]);
  return (
    present.has('config.json') &&
    TOKENIZER_FILES.some((name) => present.has(name)) &&
    hasWeights(folder, present)
  );
}

/** A model and its mmproj, which are whole in themselves. */
function hasGgufPair(names: string[]): boolean {
  const files = names.filter((name) => /\.gguf$/i.test(name));
  const projectors = files.filter((name) => /mmproj/i.test(name));
  return projectors.length > 0 && projectors.length < files.length;
}

function hasWeights(folder: string, present: Set<string>): boolean {
  const weights = [...present].filter((name) => /^(?!consolidated).+\.safetensors$/.test(name));
  if (weights.length === 0) return false;
  const named = indexedShards(folder);
  // An index that fits none of the files is one that was left behind; the loader does not follow it either.
  if (named.some((name) => present.has(name))) return named.every((name) => present.has(name));
  const shard = weights.map((name) => SHARD.exec(name)).find(Boolean);
  return !shard || weights.filter((name) => name.startsWith(`${shard[1]}-`)).length === Number(shard[2]);
}

function indexedShards(folder: string): string[] {
  try {
    const index = JSON.parse(textOf(join(folder, 'model.safetensors.index.json')) ?? '{}') as {
      weight_map?: Record<string, string>;
    };
    return [...new Set(Object.values(index.weight_map ?? {}))].map(String);
  } catch {
    // A torn index cannot say what is missing; the file names then do.
    return [];
  }
}

/** Bytes of the weights, which is what they take in memory. */
export function weightBytes(folder: string): number {
  return entries(folder)
    .filter((name) => /^(?!consolidated).+\.(safetensors|gguf)$/.test(name) && existsSync(join(folder, name)))
    .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

/** `org/name` of a folder of one of the places. */
export function nameInPlace(folder: string): string | undefined {
  const cached = /models--([^/\\]+?)--([^/\\]+)[/\\]snapshots[/\\]/.exec(folder);
  if (cached) return `${cached[1]}/${cached[2]}`;
  const place = modelPlaces().find(({ root }) => folder.startsWith(root + sep));
  return place && folder.slice(place.root.length + 1);
}

function entries(folder: string): string[] {
  return isFolder(folder) ? readdirSync(folder).sort() : [];
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function textOf(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
}
