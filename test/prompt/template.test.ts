import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  ChatTemplate,
  findTemplate,
  specialTokenStrings,
  type TemplateMessage,
} from '../../src/prompt/template.js';

const folder = mkdtempSync(join(tmpdir(), 'template-'));
after(() => rmSync(folder, { recursive: true }));
const write = (name: string, value: unknown) =>
  writeFileSync(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value));

const conversation: TemplateMessage[] = [
  { role: 'system', content: [{ type: 'text', text: 'Be brief.' }] },
  { role: 'user', content: [{ type: 'image' }, { type: 'text', text: 'What is it?' }] },
];
const render = (source: string) =>
  new ChatTemplate(source, '<image>', { bos_token: '<s>' }).render(conversation, true);

test('the template is looked for in order of precedence', () => {
  assert.equal(findTemplate(folder), undefined);
  write('tokenizer_config.json', {
    chat_template: [
      { name: 'tool_use', template: 'T' },
      { name: 'default', template: 'D' },
    ],
  });
  assert.equal(findTemplate(folder), 'D');
  write('processor_config.json', { chat_template: 'P' });
  assert.equal(findTemplate(folder), 'P');
  write('chat_template.json', { chat_template: 'J' });
  assert.equal(findTemplate(folder), 'J');
  write('chat_template.jinja', 'F');
  assert.equal(findTemplate(folder), 'F');
});

test('token strings are plain or objects; null is absent', () => {
  write('special_tokens_map.json', { bos_token: { content: '<b>' }, eos_token: '<old>' });
  write('tokenizer_config.json', { eos_token: '</s>', pad_token: null, additional_special_tokens: ['<x>'] });
  assert.deepEqual(specialTokenStrings(folder), { bos_token: '<b>', eos_token: '</s>' });
});

test('a template that takes lists gets lists', () => {
  const source =
    '{{ bos_token }}{% for m in messages %}[{{ m.role }}]{% for p in m.content %}{% if p.type == "image" %}<image>{% else %}{{ p.text }}{% endif %}{% endfor %}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}';
  assert.equal(render(source), '<s>[system]Be brief.[user]<image>What is it?[assistant]');
});

test('a template that takes strings only gets the placeholder in the string', () => {
  assert.equal(
    render('{% for m in messages %}{{ m.role + ": " + m.content + "\n" }}{% endfor %}'),
    'system: Be brief.\nuser: <image>\nWhat is it?\n',
  );
});

test('a template without a system role gets the system text before the first question', () => {
  const source =
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" +
    '({{ m.role }}){% for p in m.content %}{{ "<image>" if p.type == "image" else p.text }}{% endfor %}{% endfor %}';
  assert.equal(render(source), '(user)Be brief.\n\n<image>What is it?');
});

test('thinking is switched off where the template knows it, and dates can be written', () => {
  const source =
    "{% for m in messages %}{% for p in m.content %}{{ '<image>' if p.type == 'image' else p.text }}{% endfor %}{% endfor %}" +
    '{% if enable_thinking is defined and enable_thinking is false %}<think></think>{% endif %}{{ strftime_now("%Y") }}';
  assert.match(render(source), /<think><\/think>20\d\d$/);
});

test('templates that lose text or images, or do not parse, are refused', () => {
  for (const source of [
    '{% for m in messages %}{{ m.role }}{% endfor %}',
    '{{ messages[0] }}',
    '{% for %}',
    '{{ raise_exception("never") }}',
  ]) {
    assert.throws(() => render(source), { code: 'INVALID_CHECKPOINT', message: /chat template/ }, source);
  }
});
