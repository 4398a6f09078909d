// "the blue Send button" → the texts that may be meant, each with the role and the colour that narrow it.

/** Words for what elements are → roles of the element classifier. */
const ROLES: Record<string, readonly string[]> = {
  button: ['button'],
  buttons: ['button'],
  field: ['field'],
  fields: ['field'],
  input: ['field'],
  textbox: ['field'],
  dropdown: ['field'],
  checkbox: ['checkbox'],
  checkboxes: ['checkbox'],
  switch: ['switch'],
  toggle: ['switch'],
  radio: ['radio'],
  option: ['checkbox', 'radio', 'switch', 'menu item', 'item'],
  tab: ['tab'],
  tabs: ['tab'],
  link: ['link'],
  links: ['link'],
  item: ['item', 'menu item'],
  entry: ['item', 'menu item'],
  menu: ['menu item', 'item', 'bar'],
  heading: ['heading'],
  title: ['heading'],
  header: ['header'],
  row: ['row'],
  error: ['error'],
  message: ['message', 'error'],
};
const COLOURS: Record<string, string> = {
  blue: 'blue',
  green: 'green',
  purple: 'purple',
  violet: 'purple',
  red: 'red',
  orange: 'orange',
  teal: 'teal',
  turquoise: 'teal',
  gray: 'gray',
  grey: 'gray',
};
/** Words that do not say which one is meant. */
const FILLING =
  /^(?:the|a|an|this|that|which|text|word|words|label|labelled|labeled|called|named|titled|saying|says|reading|reads|with|of)$/;
const QUOTED = /["“„«]([^"”“»]+)["”»]|(?:^|\s)['‘`]([^'’`]+)['’`](?=\s|$)/u;

/** One reading of a description. */
export interface Described {
  /** Absent: whatever has the role and the colour. */
  text?: string;
  /** Any of them; none: whatever it is. */
  roles: readonly string[];
  colour?: string;
}

export interface Description {
  /** The most literal first: "Red Hat" is a text before it is a hat that is red. */
  readings: Described[];
  /** More was said than these readings hold, such as where it stands. */
  more: boolean;
}

export function describedBy(what: string): Description {
  const quoted = QUOTED.exec(what);
  const text = (quoted?.[1] ?? quoted?.[2])?.trim();
  const words = (text ? what.replace(quoted![0], ' ') : what).trim().split(/\s+/).filter(Boolean);
  const { roles, colour, rest } = sorted(words);
  const attributes = { roles, ...(colour !== undefined && { colour }) };
  if (text) return { readings: [{ text, ...attributes }], more: rest.length > 0 };
  const stripped = rest.length > 0 ? { text: rest.join(' '), ...attributes } : attributes;
  const readings = [...literal(words), stripped].filter(saysSomething);
  const distinct = new Map(readings.map((reading) => [JSON.stringify(reading), reading]));
  return { readings: [...distinct.values()], more: false };
}

/** As it was written, without what precedes it, and without the word for what it is at the end. */
function literal(words: string[]): Described[] {
  const first = words.findIndex((word) => !FILLING.test(plain(word)));
  const bare = first < 0 ? [] : words.slice(first);
  const last = bare.at(-1);
  const roles = last === undefined ? undefined : roleOf(last);
  return [
    { text: words.join(' '), roles: [] },
    { text: bare.join(' '), roles: [] },
    ...(roles ? [{ text: bare.slice(0, -1).join(' '), roles }] : []),
  ].filter(({ text }) => text !== '');
}

function sorted(words: string[]): { roles: readonly string[]; colour?: string; rest: string[] } {
  let roles: readonly string[] = [];
  let colour: string | undefined;
  const rest = words.filter((word) => {
    const named = Object.hasOwn(COLOURS, plain(word)) ? COLOURS[plain(word)] : undefined;
    const is = roleOf(word);
    colour = named ?? colour;
    roles = is ?? roles;
    return named === undefined && is === undefined && !FILLING.test(plain(word));
  });
  return { roles, ...(colour !== undefined && { colour }), rest };
}

function saysSomething({ text, roles, colour }: Described): boolean {
  return text !== undefined || roles.length > 0 || colour !== undefined;
}

function roleOf(word: string): readonly string[] | undefined {
  const name = plain(word);
  return Object.hasOwn(ROLES, name) ? ROLES[name] : undefined;
}

function plain(word: string): string {
  return word.toLowerCase().replace(/[.,:;!?]+$/, '');
}
