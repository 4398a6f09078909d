// Renders a checkpoint's template where it can do no harm: in a thread of its own, which is ended when it takes too long
// or too much. Runs in worker threads; callers use `template-thread.ts`.
import { ChatTemplate, type TemplateMessage } from './template.js';

export interface TemplateSource {
  source: string;
  placeholder: string;
  tokens: Record<string, string>;
  /** Variables of the template's own, as in `Model.templateSwitches`. */
  switches?: Record<string, unknown>;
}

export interface Rendering {
  messages: readonly TemplateMessage[];
  addGenerationPrompt: boolean;
}

/** Parsed and probed; one model is resident, so one template is enough. */
let known: { key: string; template: ChatTemplate } | undefined;

/** Nothing has to happen before. */
export function ready(): void {}

/** @throws AfterimageError INVALID_CHECKPOINT */
export function renderAll({ given, wanted }: { given: TemplateSource; wanted: Rendering[] }): string[] {
  const key = JSON.stringify(given);
  if (known?.key !== key)
    known = {
      key,
      template: new ChatTemplate(given.source, given.placeholder, given.tokens, given.switches),
    };
  const { template } = known;
  return wanted.map(({ messages, addGenerationPrompt }) => template.render(messages, addGenerationPrompt));
}
