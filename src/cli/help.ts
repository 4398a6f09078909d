// afterimage --help, afterimage COMMAND --help
import { COMMANDS, GROUPS, type Command } from './commands.js';
import {
  OPTIONS,
  OPTIONS_OF_OTHERS,
  OPTIONS_OF_THE_ENGINE,
  type Option,
  type OptionName,
} from './options.js';

const INDENT = '  ';

/** All commands by what they are for. */
export function overview(): string {
  const groups = Object.entries(GROUPS).map(([group, title]) => {
    const rows = Object.values(COMMANDS)
      .filter((command) => command.group === group)
      .map(({ form, about }) => row(form, about, 30));
    return `${title}\n${rows.join('\n')}\n`;
  });
  return `afterimage: local sight for AI agents. Looks at images with a model on this machine.

${groups.join('\n')}
FILE is a path, a data: URL, "latest" (the newest picture of the working folder and of the folders for
screenshots), "clipboard", or - for standard input; of a PDF its first page, another with report.pdf#page=2.

afterimage COMMAND --help lists a command's options; afterimage -V prints the version.
Exit codes: 0 done, 1 internal error, 2 bad input, 130 interrupted.
`;
}

/** One command: its form, what it does, its options by what they concern. */
export function helpOf(command: Command): string {
  const engine: readonly OptionName[] = [...OPTIONS_OF_THE_ENGINE, ...OPTIONS_OF_OTHERS];
  const own = command.options.filter((name) => !engine.includes(name));
  const model = command.options.filter((name) => engine.includes(name));
  return [
    `afterimage ${command.form}\n\n${command.more ?? sentence(command.about)}\n`,
    section('Options', [...own, 'help'], command),
    ...(model.length > 0 ? [section('Model and memory', model, command)] : []),
  ].join('\n');
}

function section(title: string, names: OptionName[], { words }: Command): string {
  const options: Record<string, Option> = OPTIONS;
  const rows = names.map((name) => {
    const { value, help, short } = options[name]!;
    return row(
      `${short ? `-${short}, ` : ''}--${name}${value ? ` ${value}` : ''}`,
      words?.[name] ?? help,
      22,
    );
  });
  return `${title}\n${rows.join('\n')}\n`;
}

function row(left: string, right: string, width: number): string {
  return `${INDENT}${left.padEnd(width)} ${right}`;
}

function sentence(text: string): string {
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`;
}
