// Where a source file can be broken: each place and what it would say instead. Places that no checkpoint of a reference
// can judge are left out, with the reason beside the rule.
import { createHash } from 'node:crypto';
import ts from 'typescript';

export interface Mutation {
  file: string;
  line: number;
  kind: string;
  start: number;
  end: number;
  /** What stands there, and what will. */
  before: string;
  after: string;
  /** Does not change when other parts of the file do. */
  hash: string;
}

const OPERATORS = new Map<ts.SyntaxKind, string>([
  [ts.SyntaxKind.PlusToken, '-'],
  [ts.SyntaxKind.MinusToken, '+'],
  [ts.SyntaxKind.AsteriskToken, '/'],
  [ts.SyntaxKind.SlashToken, '*'],
  [ts.SyntaxKind.PercentToken, '*'],
  [ts.SyntaxKind.AsteriskAsteriskToken, '*'],
  [ts.SyntaxKind.LessThanToken, '>='],
  [ts.SyntaxKind.GreaterThanToken, '<='],
  [ts.SyntaxKind.LessThanEqualsToken, '>'],
  [ts.SyntaxKind.GreaterThanEqualsToken, '<'],
  [ts.SyntaxKind.EqualsEqualsEqualsToken, '!=='],
  [ts.SyntaxKind.ExclamationEqualsEqualsToken, '==='],
  [ts.SyntaxKind.AmpersandAmpersandToken, '||'],
  [ts.SyntaxKind.BarBarToken, '&&'],
]);

/** Words of the field that mean one computation among several. */
const WORDS: Record<string, string> = {
  silu: 'gelu',
  gelu: 'silu',
  gelu_tanh: 'silu',
  quick_gelu: 'silu',
  sigmoid: 'tanh',
  tanh: 'sigmoid',
  relu: 'silu',
  softmax: 'sigmoid',
  causal: 'prefix',
  block: 'causal',
  prefix: 'causal',
  tensor: 'pillow',
};

const FUNCTIONS: Record<string, string> = {
  'Math.floor': 'Math.ceil',
  'Math.ceil': 'Math.floor',
  'Math.trunc': 'Math.ceil',
  'Math.min': 'Math.max',
  'Math.max': 'Math.min',
  'Math.sqrt': 'Math.abs',
};

/** Said for people, for caches and for memory, or whether a checkpoint is refused: not what a reference computes. */
const UNJUDGED = new Set([
  'identity',
  'boxes',
  'contextLength',
  'checkpoints',
  'modelTypes',
  'recurrent',
  'pixelStep',
  'limitedTo',
  'viewedWidth',
  'viewedHeight',
  'MOST_TOKENS',
  'valid',
]);
/** Of square experts only: the recorded checkpoints have none, test/models/experts.test.ts does. */
const SQUARE = /^square \? \(c\.transposed \?\? false\)/;
/** Forms in which no recorded checkpoint is: test/models/experts, stacked-forms and gguf judge them. */
const OTHER_FORMS = new Set([
  'square',
  'storedApart',
  'tiledCopies',
  'tiledHeads',
  'tiledKeys',
  'refusedSide',
]);
/** What published files leave out; the checkpoints state it. */
const STATED = 'rms_norm_eps';
/** The second argument stands for what published files leave out; the checkpoints state everything. */
const READERS = new Set([
  'count',
  'number',
  'numbers',
  'boolean',
  'string',
  'strings',
  'ids',
  'sectionOr',
  'section',
  'has',
  'spelling',
  'resampleFilter',
  'tensorFilter',
  'ropeSettings',
  'gemmaSizes',
  'withDefaults',
  'imageTokenId',
  'stopTokenIds',
  'weightScope',
  'weightModule',
  'qwen3VisionConfig',
]);
const DEFAULTS =
  /^(VOCAB_SIZE|SLIDING_PATTERN|DEEPSTACK_BLOCKS|.*DEFAULTS?|DEFAULT_.*|MAX_SIDE|MAX_PATCHES_ON_SIDE|.*WEIGHTS)$|Weights$|Config$/;

/** Breaking these changes nothing: the first grid replaces it, whatever it is; a side of one pixel is too few like one of none; a unit decides what is refused. */
const REPLACED = new Set(['best: Size = { width: 1, height: 1 }', 'smallest = 0', 'unit = 1']);

/** Names of which a checkpoint has one: the order in which they are looked for changes nothing. */
const EITHER = new Set(["['switch_mlp', 'experts.switch_glu']"]);

/** The two rows of a position table that a patch's place sums: a sum of two has no order. */
const SUMMED = /^\[\s*2 \* \(i % columns\),\s*2 \* Math\.floor\(i \/ columns\) \+ 1,\s*\]$/;

/** Every place of a file, in its order. */
export function mutationsOf(file: string, text: string): Mutation[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found: Mutation[] = [];
  const seen = new Map<string, number>();
  const add = (kind: string, node: ts.Node, after: string): void => {
    const [start, before] = [node.getStart(source), node.getText(source)];
    const identity = [kind, functionOf(node), before, node.parent.getText(source).slice(0, 200)].join('\n');
    const copies = seen.get(identity) ?? 0;
    seen.set(identity, copies + 1);
    const hash = createHash('sha256').update(`${file}\n${identity}\n${copies}`).digest('hex');
    const line = source.getLineAndCharacterOfPosition(start).line + 1;
    found.push({ file, line, kind, start, end: node.getEnd(), before, after, hash });
  };
  const visit = (node: ts.Node): void => {
    if (isUnjudged(node)) return;
    mutate(node, source, add);
    ts.forEachChild(node, visit);
  };
  ts.forEachChild(source, visit);
  return found;
}

export function applied(text: string, { start, end, after }: Mutation): string {
  return text.slice(0, start) + after + text.slice(end);
}

/** `count` of a file's places: of every kind in turn the one with the least hash. */
export function chosen(mutations: Mutation[], count: number): Mutation[] {
  const kinds = new Map<string, Mutation[]>();
  for (const mutation of [...mutations].sort((a, b) => (a.hash < b.hash ? -1 : 1)))
    kinds.set(mutation.kind, [...(kinds.get(mutation.kind) ?? []), mutation]);
  const picked: Mutation[] = [];
  for (let round = 0; picked.length < Math.min(count, mutations.length); round++)
    for (const places of kinds.values())
      if (places[round] && picked.length < count) picked.push(places[round]!);
  return picked;
}

type Add = (kind: string, node: ts.Node, after: string) => void;

function mutate(node: ts.Node, source: ts.SourceFile, add: Add): void {
  if (ts.isNumericLiteral(node)) add('number', node, otherNumber(node.text));
  if (node.kind === ts.SyntaxKind.TrueKeyword) add('boolean', node, 'false');
  if (node.kind === ts.SyntaxKind.FalseKeyword) add('boolean', node, 'true');
  if (ts.isStringLiteral(node) && WORDS[node.text]) add('word', node, `'${WORDS[node.text]}'`);
  if (ts.isBinaryExpression(node)) {
    const operator = OPERATORS.get(node.operatorToken.kind);
    if (operator) add('operator', node.operatorToken, operator);
  }
  if (ts.isConditionalExpression(node)) {
    const [yes, no] = [node.whenTrue.getText(source), node.whenFalse.getText(source)];
    add('branches', node, `${node.condition.getText(source)} ? ${no} : ${yes}`);
  }
  if (ts.isArrayLiteralExpression(node) && isOrdered(node))
    add(
      'order',
      node,
      `[${[...node.elements]
        .reverse()
        .map((element) => element.getText(source))
        .join(', ')}]`,
    );
  if (ts.isCallExpression(node)) mutateCall(node, source, add);
}

function mutateCall(node: ts.CallExpression, source: ts.SourceFile, add: Add): void {
  const name = node.expression.getText(source);
  const texts = node.arguments.map((argument) => argument.getText(source));
  if (FUNCTIONS[name]) add('function', node.expression, FUNCTIONS[name]);
  if (name === 'g.add' || name === 'g.mul' || name === 'this.g.add') {
    add('dropped', node, texts[0]!);
    add('dropped', node, texts[1]!);
  }
  if (/^(this\.)?g\.(rmsNorm|layerNorm|rope|activation|scale|gatherRows|softcap)$/.test(name))
    add('skipped', node, texts[0]!);
  if (/^(this\.)?g\.(gatedActivation|concat)$/.test(name))
    add('order', node, `${name}(${[texts[1], texts[0], ...texts.slice(2)].join(', ')})`);
}

/** A list whose order means something; destructuring patterns are another kind of node. */
function isOrdered(node: ts.ArrayLiteralExpression): boolean {
  if (SUMMED.test(node.getText()) || EITHER.has(node.getText())) return false;
  return node.elements.length > 1 && new Set(node.elements.map((element) => element.getText())).size > 1;
}

function otherNumber(text: string): string {
  const value = Number(text);
  return Number.isInteger(value) ? String(value + 1) : String(value * 1.5);
}

function isUnjudged(node: ts.Node): boolean {
  if (ts.isThrowStatement(node) || ts.isTypeNode(node) || ts.isImportDeclaration(node)) return true;
  if ((ts.isVariableDeclaration(node) || ts.isParameter(node)) && REPLACED.has(node.getText())) return true;
  const name = (node as { name?: ts.Node }).name?.getText();
  if (name !== undefined && (UNJUDGED.has(name) || OTHER_FORMS.has(name) || name === STATED)) return true;
  if (ts.isVariableDeclaration(node) && DEFAULTS.test(node.name.getText())) return true;
  if (ts.isFunctionDeclaration(node) && DEFAULTS.test(node.name?.getText() ?? '')) return true;
  if (isWithoutCanvas(node) || SQUARE.test(node.parent?.getText() ?? '')) return true;
  const call = node.parent;
  if (!ts.isCallExpression(call) || call.expression === node) return false;
  const callee = ts.isPropertyAccessExpression(call.expression)
    ? call.expression.name.text
    : call.expression.getText();
  return READERS.has(callee) && call.arguments.indexOf(node as ts.Expression) !== 0;
}

/** Only a limit of pixels leaves a picture without a canvas of tiles (test/models/pixel-limit.test.ts); the reference has none. */
function isWithoutCanvas(node: ts.Node): boolean {
  const { parent } = node;
  return (
    ts.isConditionalExpression(parent) &&
    parent.whenFalse === node &&
    ['canvas', 'grid'].includes(parent.condition.getText())
  );
}

function functionOf(node: ts.Node): string {
  for (let at: ts.Node | undefined = node; at; at = at.parent)
    if ((ts.isFunctionDeclaration(at) || ts.isMethodDeclaration(at)) && at.name) return at.name.getText();
  return '';
}
