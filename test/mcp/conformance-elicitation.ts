// Conformance fixtures of the 2025 era, in which a server sends its client requests of its own.
import type { CallToolResult, McpServer, ServerContext } from '@modelcontextprotocol/server';
import { z } from 'zod';

const said = (text: string): CallToolResult => ({ content: [{ type: 'text', text }] });
const none = z.object({});
/** On the stream of the call: the client may have no other one open yet. */
const onCall = ({ id }: ServerContext['mcpReq']) => ({ relatedRequestId: id });

/** Every primitive type with a default (SEP-1034). */
const DEFAULTS = {
  name: { type: 'string', default: 'John Doe' },
  age: { type: 'integer', default: 30 },
  score: { type: 'number', default: 95.5 },
  status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
  verified: { type: 'boolean', default: true },
} as const;

const titled = (noun: string) =>
  [1, 2, 3].map((index) => ({
    const: `value${index}`,
    title: `${['First', 'Second', 'Third'][index - 1]} ${noun}`,
  }));
const OPTIONS = ['option1', 'option2', 'option3'];

/** Every form of enumeration (SEP-1330). */
const ENUMS = {
  untitledSingle: { type: 'string', enum: OPTIONS },
  titledSingle: { type: 'string', oneOf: titled('Option') },
  legacyEnum: {
    type: 'string',
    enum: ['opt1', 'opt2', 'opt3'],
    enumNames: ['Option One', 'Option Two', 'Option Three'],
  },
  untitledMulti: { type: 'array', items: { type: 'string', enum: OPTIONS } },
  titledMulti: { type: 'array', items: { anyOf: titled('Choice') } },
} as const;

export function registerElicitationFixtures(server: McpServer): void {
  server.registerTool(
    'test_sampling',
    { description: 'Asks the client’s model.', inputSchema: z.object({ prompt: z.string() }) },
    async ({ prompt }, { mcpReq }) => {
      const { content } = await mcpReq.requestSampling(
        { messages: [{ role: 'user', content: { type: 'text', text: prompt } }], maxTokens: 100 },
        onCall(mcpReq),
      );
      return said(
        `LLM response: ${!Array.isArray(content) && content.type === 'text' ? content.text : JSON.stringify(content)}`,
      );
    },
  );
  server.registerTool(
    'test_elicitation',
    { description: 'Asks the user.', inputSchema: z.object({ message: z.string() }) },
    async ({ message }, { mcpReq }) => {
      const properties = {
        username: { type: 'string', description: "User's response" },
        email: { type: 'string', description: "User's email address" },
      } as const;
      const { action, content } = await mcpReq.elicitInput(
        { message, requestedSchema: { type: 'object', properties, required: ['username', 'email'] } },
        onCall(mcpReq),
      );
      return said(`User response: action=${action}, content=${JSON.stringify(content ?? {})}`);
    },
  );
  const forms = { sep1034_defaults: DEFAULTS, sep1330_enums: ENUMS };
  for (const [name, properties] of Object.entries(forms)) {
    server.registerTool(
      `test_elicitation_${name}`,
      { description: 'Asks the user.', inputSchema: none },
      async (_, { mcpReq }) => {
        const { action, content } = await mcpReq.elicitInput(
          {
            message: 'Please fill in',
            requestedSchema: { type: 'object', properties: properties as never, required: [] },
          },
          onCall(mcpReq),
        );
        return said(`Elicitation completed: action=${action}, content=${JSON.stringify(content ?? {})}`);
      },
    );
  }
}
