// The prompts that the server offers.
import { beforeAndAfter } from './before-and-after.js';
import { extractTable } from './extract-table.js';
import { inspectUi } from './inspect-ui.js';
import type { PromptFile } from './prompt.js';
import { readError } from './read-error.js';

export const prompts: PromptFile[] = [inspectUi, beforeAndAfter, readError, extractTable];
