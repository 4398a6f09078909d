// Turns a table in a picture into data.
import * as z from 'zod';
import { completable } from '@modelcontextprotocol/server';
import { imageArgument, type PromptFile } from './prompt.js';

const FORMATS = ['csv', 'json', 'markdown'];

export const extractTable: PromptFile = {
  name: 'extract_table',
  title: 'Extract a table',
  description: 'Read a table out of an image as CSV, JSON or Markdown.',
  arguments: (images) =>
    z.object({
      image: imageArgument(images),
      // Completions are looked up under `optional`.
      format: completable(z.string().describe('csv (default), json or markdown.'), (typed) =>
        FORMATS.filter((format) => format.startsWith(typed)),
      ).optional(),
    }),
  text: ({ image, format }) => `Extract the table in ${image} as ${format ?? 'csv'}.

1. Call ocr on the image. If the columns are not clear from the text, call describe_image with the question "What are the columns of this table, from left to right?".
2. For long tables, call ocr on regions of some rows each; regions are in pixels of the original image, whose size the first result states.
3. Keep every cell as read. Write [?] where a character is unsure, and leave a cell empty only where it is empty in the image.

Give the table, then one line that says how many rows and columns it has and which cells are unsure.`,
};
