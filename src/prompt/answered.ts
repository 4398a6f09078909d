// How a template begins an answer: some write a blank before it that the prompt does not end with.
import type { TemplateMessage } from './template.js';
import type { Rendering } from './template-work.js';

const [ASKED, SAID] = (['user', 'assistant'] as const).map((role): TemplateMessage => ({
  role,
  content: [{ type: 'text', text: role === 'user' ? 'Q' : 'A' }],
})) as [TemplateMessage, TemplateMessage];

/** A question, and the same with its answer: what a template writes between the two shows how an answer begins. */
export const ANSWERED: Rendering[] = [
  { messages: [ASKED], addGenerationPrompt: true },
  { messages: [ASKED, SAID], addGenerationPrompt: false },
];

/** The blank before an answer. A template that writes answers in another way than it asks for them tells of none. */
export function leadOf(asked: string, answered: string): string {
  if (!answered.startsWith(asked)) return '';
  return /^([ \n]*)A/.exec(answered.slice(asked.length))?.[1] ?? '';
}
