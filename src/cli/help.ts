// afterimage --help
import { optionsHelp } from './options.js';

export const HELP = `afterimage: local sight for AI agents. Looks at images with a model on this machine.

  afterimage describe FILE                 what the image shows (--detail brief|normal|full)
  afterimage ask FILE... "QUESTION"        a question about one or several images
  afterimage ocr FILE...                   text in reading order (--lines: with boxes, --find TEXT: where it stands; - is stdin)
  afterimage compare BEFORE AFTER          what changed
  afterimage chat FILE...                  questions one after another, from the terminal or a pipe
  afterimage mcp                           the MCP server on stdio (--http PORT: on loopback)
  afterimage serve                         one resident engine, which every command and client shares with --remote
  afterimage config CLIENT                 the snippet for claude-desktop, claude-code, cursor, vscode, windsurf, goose
  afterimage models                        supported families and checkpoints, with the memory they need
  afterimage pull ORG/NAME                 downloads a checkpoint from the Hugging Face hub (resumable, pinned)
  afterimage cache list|clear              what is kept on disk
  afterimage doctor                        processor, backend, memory, model, self-test

${optionsHelp()}

Exit codes: 0 done, 1 internal error, 2 bad input, 130 interrupted.
`;
