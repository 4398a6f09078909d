import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Message } from '../../src/prompt/message.js';
import { Tokenizer } from '../../src/prompt/tokenizer.js';
import { PromptBuilder, type Prompt } from '../../src/prompt/prompt.js';
import {
  builderFor,
  familyFolder,
  familyNames,
  imageOf,
  planOf,
  recorded,
  toMessages,
  user,
} from './families.js';

for (const name of familyNames) {
  test(`${name}: prompt, ids and image runs of every recorded turn`, () => {
    const tokenizer = Tokenizer.load(familyFolder(name));
    for (const turn of recorded(name).turns) {
      const prompt = builderFor(name, turn.blocks, tokenizer).build(toMessages(turn.messages));
      // The recorded prompt of a family without a template is what its processor was given, not what it made of it.
      if (name !== 'paligemma') assert.equal(prompt.rendered, turn.prompt, turn.case);
      assert.deepEqual([...prompt.ids], turn.input_ids, turn.case);
      assert.deepEqual(imageRuns(prompt.featureIndex), turn.image_runs, turn.case);
    }
  });

  test(`${name}: a longer conversation shares every turn end`, () => {
    let before: Prompt | undefined;
    for (const turn of recorded(name).turns) {
      const prompt = builderFor(name, turn.blocks).build(toMessages(turn.messages));
      if (name !== 'paligemma')
        assert.ok(
          onlyGenerationPromptAfter(prompt),
          `${turn.case}: ${prompt.turnEnds} of ${prompt.ids.length}`,
        );
      if (turn.common_prefix !== undefined) {
        const end = before!.turnEnds.at(-1)!;
        assert.ok(end > 0 && end <= turn.common_prefix, turn.case);
        assert.deepEqual(prompt.ids.slice(0, end), before!.ids.slice(0, end));
        assert.ok(prompt.turnEnds.includes(end), `${turn.case}: ${prompt.turnEnds} has no ${end}`);
      }
      before = prompt;
    }
  });

  test(`${name}: control tokens typed by a person are text`, () => {
    const { imageToken, imagePlaceholder, turns } = recorded(name);
    const tokenizer = Tokenizer.load(familyFolder(name));
    const controls = tokenizer.addedTokens.filter(({ special }) => special).map(({ content }) => content);
    const block = turns[0]!.blocks[0]!;
    const builder = builderFor(name, [block, block], tokenizer);
    const harmless = builder.build([user('Read xx this.', imageOf(0))]);
    for (const typed of new Set([imageToken, imagePlaceholder, ...controls])) {
      const prompt = builder.build([user(`Read ${typed}${typed} this.`, imageOf(0))]);
      assert.deepEqual(countControls(prompt.ids, tokenizer), countControls(harmless.ids, tokenizer), typed);
      assert.ok(tokenizer.decode([...prompt.ids], false).includes(`Read ${typed}${typed} this.`), typed);
      assert.deepEqual(imageRuns(prompt.featureIndex), imageRuns(harmless.featureIndex), typed);
    }
  });
}

/** After the last turn end comes what the template writes for an answer: a few tokens, no image, no question. */
function onlyGenerationPromptAfter({ ids, turnEnds, featureIndex }: Prompt): boolean {
  const end = turnEnds.at(-1)!;
  return end > 0 && ids.length - end <= 16 && featureIndex.lastIndexOf(0) < end;
}

function countControls(ids: Int32Array, tokenizer: Tokenizer): [number, number][] {
  const counts = new Map<number, number>();
  const special = new Set(tokenizer.addedTokens.filter((token) => token.special).map(({ id }) => id));
  for (const id of ids) if (special.has(id)) counts.set(id, (counts.get(id) ?? 0) + 1);
  return [...counts].sort((a, b) => a[0] - b[0]);
}

const BLOCK: [string, number][] = [['<|image_pad|>', 3]];
const text = (value: string) => ({ type: 'text' as const, text: value });

test('a control token put together from two texts is text', () => {
  const tokenizer = Tokenizer.load(familyFolder('qwen3_vl'));
  const builder = builderFor('qwen3_vl', [BLOCK], tokenizer);
  const split: Message[] = [{ role: 'user', content: [text('<|im_'), text('end|>')] }];
  const end = tokenizer.tokenId('<|im_end|>')!;
  const ids = [...builder.build(split).ids];
  assert.equal(
    ids.filter((id) => id === end).length,
    [...builder.build([user('x')]).ids].filter((id) => id === end).length,
  );
  assert.ok(tokenizer.decode(ids, false).includes('<|im_end|><|im_end|>'));
});

test('a control token put together from the template and a text is text', () => {
  // Typed at the very end: only `<|im_end|>` that follows is the template's.
  const tokenizer = Tokenizer.load(familyFolder('qwen3_vl'));
  const builder = builderFor('qwen3_vl', [BLOCK], tokenizer);
  for (const typed of ['<', '<|im_end|><', '<|im_end', '|im_end|>', '<<|im_end|>>']) {
    const prompt = builder.build([user(typed)]);
    assert.ok(tokenizer.decode([...prompt.ids], false).includes(`${typed}<|im_end|>`), typed);
    assert.equal(prompt.ids.filter((id) => id === tokenizer.tokenId('<|im_end|>')).length, 1, typed);
  }
});

test('typed guard characters stay in the text', () => {
  const tokenizer = Tokenizer.load(familyFolder('qwen3_vl'));
  const typed = 'a\uf8ffb\uf8fec\ue000';
  const ids = [...builderFor('qwen3_vl', [], tokenizer).build([user(typed)]).ids];
  assert.ok(tokenizer.decode(ids, false).includes(typed));
});

test('words the template writes are text when typed, and kept in an answer', () => {
  const tokenizer = Tokenizer.load(familyFolder('qwen3_5'));
  const builder = builderFor('qwen3_5', [], tokenizer);
  const think = tokenizer.tokenId('<think>')!;
  const count = (messages: Message[]) => builder.build(messages).ids.filter((id) => id === think).length;
  const written = count([user('x')]);
  assert.equal(written, 1);
  assert.equal(count([user('<think>')]), written);
  assert.equal(
    count([user('x'), { role: 'assistant', content: [text('<think>y</think>z')] }, user('w')]),
    written + 1,
  );
});

test('blank around a text is trimmed where the template trims, and kept where it does not', () => {
  const trims = builderFor('gemma3', []);
  assert.deepEqual(trims.build([user('\n  Hello. \n')]).ids, trims.build([user('Hello.')]).ids);
  const keeps = builderFor('qwen3_vl', []);
  assert.ok(
    keeps.tokenizer
      .decode([...keeps.build([user(' \n<|im_end|>\n ')]).ids], false)
      .includes('\n \n<|im_end|>\n <|im_end|>'),
  );
});

test('every text without control strings gets the ids of the whole prompt encoded at once', () => {
  const pieces = [
    'User',
    ':',
    ' ',
    '\n',
    '\n\n',
    'é',
    '漢字',
    '🙂',
    '<',
    '|',
    '>',
    'im_end',
    'image',
    '[',
    ']',
    '1',
    '▁',
    '\u0301',
    'Assistant:',
  ];
  let state = 7;
  const next = (below: number) => (state = (state * 48271) % 2147483647) % below;
  for (const name of familyNames) {
    const tokenizer = Tokenizer.load(familyFolder(name));
    const builder = builderFor(name, [], tokenizer);
    for (let round = 0; round < 60; round++) {
      const typed = Array.from({ length: 1 + next(12) }, () => pieces[next(pieces.length)]).join('');
      if (tokenizer.addedTokens.some(({ content, special }) => special && typed.includes(content))) continue;
      const prompt = builder.build([user(typed)]);
      assert.deepEqual(
        [...prompt.ids],
        tokenizer.encode(prompt.rendered),
        `${name}: ${JSON.stringify(typed)}`,
      );
    }
  }
});

test('image spans cover whole blocks and features count up within each image', () => {
  const blocks: [string, number][][] = [
    [
      ['[IMG]', 2],
      ['[IMG_BREAK]', 1],
      ['[IMG]', 2],
      ['[IMG_END]', 1],
    ],
    [
      ['[IMG]', 3],
      ['[IMG_END]', 1],
    ],
  ];
  const { ids, spans, featureIndex } = builderFor('mistral3', blocks).build([
    user('Compare.', imageOf(0), imageOf(1)),
  ]);
  assert.deepEqual(spans, [
    { start: 2, end: 8, image: 0 },
    { start: 8, end: 12, image: 1 },
  ]);
  assert.deepEqual([...featureIndex.slice(0, 13)], [-1, -1, 0, 1, -1, 2, 3, -1, 0, 1, 2, -1, -1]);
  assert.equal(featureIndex.length, ids.length);
});

test('a tokenizer without the image token is refused', () => {
  const tokenizer = Tokenizer.load(familyFolder('gemma3'));
  assert.throws(() => builderFor('qwen3_vl', [], tokenizer), {
    code: 'INVALID_CHECKPOINT',
    message: /image token/,
  });
});

test('a plan that counts other tokens than its block has is refused', () => {
  for (const tokens of [2, 4]) {
    const processor = {
      plan: () => ({ ...planOf(BLOCK, '<|image_pad|>'), tokens }),
    };
    const builder = PromptBuilder.load(
      { folder: familyFolder('qwen3_vl') },
      { ...modelOf('qwen3_vl'), processor },
    );
    assert.throws(() => builder.build([user('x', imageOf(0))]), {
      code: 'INVALID_CHECKPOINT',
      message: /3 image tokens/,
    });
  }
  const swapped = {
    plan: (width: number) => ({ ...planOf(BLOCK, '<|image_pad|>'), tokens: 2 + width * 2 }),
  };
  const builder = PromptBuilder.load(
    { folder: familyFolder('qwen3_vl') },
    {
      ...modelOf('qwen3_vl'),
      processor: swapped,
    },
  );
  assert.throws(() => builder.build([user('x', imageOf(0), imageOf(1))]), { code: 'INVALID_CHECKPOINT' });
});

function modelOf(name: string) {
  const { imagePlaceholder, imageToken, imageTokenId } = recorded(name);
  return { imagePlaceholder, imageToken, imageTokenId };
}

/** [start, end) of each run of image tokens, whichever image they belong to. */
function imageRuns(featureIndex: Int32Array): [number, number][] {
  const runs: [number, number][] = [];
  featureIndex.forEach((row, i) => {
    if (row < 0) return;
    const last = runs.at(-1);
    if (last?.[1] === i) last[1] = i + 1;
    else runs.push([i, i + 1]);
  });
  return runs;
}

/** A tokenizer of models that were trained to answer from read lines, and the same without it. */
function spellingTokenizers(folder: string) {
  const file = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const config = { ...file('tokenizer_config.json'), spells_readings: true };
  return { spelling: new Tokenizer(file('tokenizer.json'), config), plain: Tokenizer.load(folder) };
}

test('a model that was trained so gets read lines one character at a time, what reads like a control token too', () => {
  const folder = familyFolder('qwen3_vl');
  const { turns, imagePlaceholder } = recorded('qwen3_vl');
  const { spelling, plain } = spellingTokenizers(folder);
  const lines = `3 20 Save the café\n4 40 ${imagePlaceholder}<|im_end|> 🙂\n`;
  const reading = { type: 'text', text: `Text:\n${lines}`, reading: true } as const;
  const image = imageOf(0);
  const message: Message = {
    role: 'user',
    content: [{ type: 'image', image }, reading, { type: 'text', text: 'Describe the image.' }],
  };
  const built = (tokenizer: Tokenizer) =>
    builderFor('qwen3_vl', [turns[0]!.blocks[0]!], tokenizer).build([message]);
  const [spelled, whole] = [built(spelling), built(plain)];
  assert.equal(spelling.decode([...spelled.ids], false), plain.decode([...whole.ids], false));
  const expected = [
    ...plain.encode('Text:\n'),
    ...[...lines].flatMap((character) => plain.encode(character)),
    ...plain.encode('Describe the image.'),
  ];
  const ids = [...spelled.ids];
  const end = spelled.spans[0]!.end + 1; // behind the marker of the image's end
  assert.deepEqual(ids.slice(end, end + expected.length), expected);
  assert.ok(whole.ids.length < spelled.ids.length, 'others get it as text');
  assert.deepEqual(imageRuns(spelled.featureIndex), imageRuns(whole.featureIndex));
});

test('text that was read is in the tokens of the model that is to write it, and no control token is among them', () => {
  const folder = familyFolder('qwen3_vl');
  const { spelling, plain } = spellingTokenizers(folder);
  const read = (tokenizer: Tokenizer, text: string) => builderFor('qwen3_vl', [], tokenizer).readIds(text);
  assert.deepEqual(read(plain, 'Save the café'), plain.encode('Save the café'));
  assert.deepEqual(
    read(spelling, 'Save\n🙂'),
    [...'Save\n🙂'].flatMap((character) => plain.encode(character)),
  );
  assert.deepEqual(read(plain, 'a<|im_end|>b'), [...plain.encode('a'), ...plain.encode('b')]);
  assert.deepEqual(read(plain, ''), []);
});

test('what a question quotes is spelled for such a model, and what reads like a control token in it is none', () => {
  const folder = familyFolder('qwen3_vl');
  const { spelling, plain } = spellingTokenizers(folder);
  const ids = (tokenizer: Tokenizer, question: string) => [
    ...builderFor('qwen3_vl', [], tokenizer).build([user(question)]).ids,
  ];
  const asked = (quoted: string) => `Is the button "${quoted}" or "x" disabled?`;
  for (const quoted of ['Save as…', '<|im_end|>', ' ']) {
    const expected = [
      ...plain.encode('Is the button "'),
      ...[...quoted].flatMap((character) => plain.encode(character)),
      ...plain.encode('" or "'),
      ...plain.encode('x'),
      ...plain.encode('" disabled?'),
    ];
    const whole = ids(spelling, asked(quoted));
    const start = whole.findIndex((_, i) => expected.every((id, j) => whole[i + j] === id));
    assert.ok(start > 0, quoted);
    assert.equal(spelling.decode(whole, false), plain.decode(ids(plain, asked(quoted)), false));
  }
  for (const question of ['Is there an error?', 'A " alone', '""'])
    assert.deepEqual(ids(spelling, question), ids(plain, question));
});
