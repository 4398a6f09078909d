// Templates that never end or ask for all memory there is: the model is refused, and everything else goes on.
import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, test } from 'node:test';
import { TemplateThread } from '../../src/prompt/template-thread.js';

const given = (source: string) => ({ source, placeholder: '<image>', tokens: {} });
const HONEST =
  "{% for m in messages %}{{ m.role }}: {% for p in m.content %}{{ '<image>' if p.type == 'image' else p.text }}{% endfor %}\n{% endfor %}";

const HOSTILE: Record<string, string> = {
  'counts to a billion': '{{ range(1000000000) | length }}',
  'loops in loops':
    '{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}',
  'doubles a text':
    "{% set n = namespace(s='xxxxxxxx') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s }}",
  'doubles a list':
    '{% set n = namespace(l=[1,2,3,4]) %}{% for i in range(99) %}{% set n.l = n.l + n.l %}{% endfor %}{{ n.l }}',
  'calls itself': '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}',
};

describe('a template that', () => {
  for (const [what, source] of Object.entries(HOSTILE)) {
    test(`${what} is refused`, { timeout: 60_000 }, async () => {
      await assert.rejects(TemplateThread.open(given(source)), { code: 'INVALID_CHECKPOINT' });
    });
  }

  test('turns hostile later ends its question alone', { timeout: 60_000 }, async () => {
    const trap = `{% if messages[0].content[0].text == 'now' %}${HOSTILE['loops in loops']}{% endif %}${HONEST}`;
    const template = await TemplateThread.open(given(trap));
    const asked = (text: string) =>
      template.render([
        { messages: [{ role: 'user', content: [{ type: 'text', text }] }], addGenerationPrompt: true },
      ]);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await assert.rejects(asked('now'), { code: 'INVALID_CHECKPOINT', message: /longer/ });
    delay.disable();
    assert.ok(delay.max < 1e9, `the event loop stood still for ${delay.max / 1e6} ms`);
    assert.deepEqual(await asked('later'), ['user: later']);
  });
});
