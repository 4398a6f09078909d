// Conversations with pictures in the three dialects, as agents send them: with blanks, escapes and fields of their own,
// none of which a proxy may touch.
export interface Conversation {
  name: string;
  path: string;
  /** Around the pictures' blocks: one piece more than there are blocks. */
  around: string[];
  /** As they are written. */
  blocks: string[];
  /** What stands there instead, but for the words, which come as a JSON string in place of `WORDS`. */
  instead: string[];
  /** What the provider answers, in parts. */
  answer: string[];
  type: string;
}

export const WORDS = '<WORDS>';

const events = (...all: [name: string | undefined, data: object | string][]): string[] =>
  all.map(([name, data]) => {
    const text = typeof data === 'string' ? data : JSON.stringify(data);
    return `${name ? `event: ${name}\n` : ''}data: ${text}\n\n`;
  });

/** @param red and blue: two pictures as base64 of PNG. */
export function conversations(red: string, blue: string): Conversation[] {
  const pairs = [chat(red, blue), responses(red, blue), anthropic(red, blue)];
  return pairs.flatMap(({ streamed, ...one }) => [
    { ...one, name: `${one.name}, whole` },
    {
      ...one,
      name: `${one.name}, streamed`,
      around: [one.around[0]!.replace('"stream": false', '"stream":  true'), ...one.around.slice(1)],
      answer: streamed,
      type: 'text/event-stream; charset=utf-8',
    },
  ]);
}

const JSON_TYPE = 'application/json';

function chat(red: string, blue: string): Conversation & { streamed: string[] } {
  return {
    name: 'chat completions',
    path: '/v1/chat/completions',
    around: [
      '{"model":"text-only", "stream": false,\n\t"temperature":1.0e0,"messages":[{"role":"system","content":"\\u00c4 \\"image_url\\" is a word"},' +
        '{"role":"user","content":[{"type":"text","text":"What is this? 漢字 😀"},',
      ' , ',
      ']},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"shot","arguments":"{\\"type\\":\\"image_url\\",\\"image_url\\":{\\"url\\":\\"data:image/png;base64,AAAA\\"}}"}}]},' +
        '{"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"here:"},',
      ']}],"tools":[{"type":"function","function":{"name":"shot","parameters":{"properties":{"type":{"const":"image_url"}}}}}],"user":"ünïcode"}\n',
    ],
    blocks: [
      `{ "type": "image_url", "image_url": { "url": "data:image/png;base64,${red}", "detail": "high" } }`,
      `{"image_url":"data:image/png;base64,${blue.replaceAll('/', '\\/')}","type":"image_url"}`,
      `{"type":"image_url","image_url":{"url":"data:image/png;base64,${red}"}}`,
    ],
    instead: Array.from({ length: 3 }, () => `{"type":"text","text":${WORDS}}`),
    answer: ['{"id":"x","object":"chat.completion","choices":[{"message":', '{"content":"A form."}}]}'],
    type: JSON_TYPE,
    streamed: events(
      [undefined, { choices: [{ delta: { content: 'A ' } }] }],
      [undefined, { choices: [{ delta: { content: 'form. 漢' } }] }],
      [undefined, '[DONE]'],
    ),
  };
}

function responses(red: string, blue: string): Conversation & { streamed: string[] } {
  return {
    name: 'Responses',
    path: '/v1/responses',
    around: [
      '{"model":"text-only","instructions":"Be brief.","stream": false,"input":[{"role":"user","content":[{"type":"input_text","text":"Look:"},',
      ']},{"type":"function_call","call_id":"c","name":"shot","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":[',
      ',{"type":"input_text","text":"as asked"}]},{"type":"reasoning","id":"r","summary":[],"encrypted_content":"gAAA=="},',
      ',{"type":"computer_call_output","call_id":"d","output":',
      '},{"type":"message","role":"user","content":"Go on"}],"store":false,"metadata":{"type":"input_image","image_url":"data:image/png;base64,AAAA"}}',
    ],
    blocks: [
      `{"type":"input_image","detail":"auto","image_url":"data:image/png;base64,${red}"}`,
      `{"type":"input_image","image_url":"data:image/png;base64,${blue}"}`,
      `{"type":"image_generation_call","id":"ig_1","status":"completed","result":"${red}"}`,
      `{"type":"computer_screenshot","image_url":"data:image/png;base64,${blue}"}`,
    ],
    instead: [
      `{"type":"input_text","text":${WORDS}}`,
      `{"type":"input_text","text":${WORDS}}`,
      `{"type":"message","role":"assistant","content":[{"type":"output_text","text":${WORDS}}]}`,
      `{"type":"input_text","text":${WORDS}}`,
    ],
    answer: ['{"id":"resp_1","object":"response",', '"output":[]}'],
    type: JSON_TYPE,
    streamed: events(
      ['response.created', { type: 'response.created' }],
      ['response.output_text.delta', { type: 'response.output_text.delta', delta: 'Ä' }],
      ['response.completed', { type: 'response.completed' }],
    ),
  };
}

function anthropic(red: string, blue: string): Conversation & { streamed: string[] } {
  return {
    name: 'Anthropic Messages',
    path: '/v1/messages?beta=true',
    around: [
      '{"model":"text-only","max_tokens":100,"stream": false,"system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":[',
      ',{"type":"text","text":"What?"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"…","signature":"Eq=="},{"type":"tool_use","id":"t1","name":"shot","input":{"type":"image","source":{"type":"base64","data":"AAAA"}}}]},' +
        '{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","is_error":false,"content":[{"type":"text","text":"saved"},',
      ']},{"type":"document","source":{"type":"content","content":[',
      ']}}]}]}',
    ],
    blocks: [
      `{"type":"image","source":{"type":"base64","media_type":"image/png","data":"${red}"},"cache_control":{"type":"ephemeral","ttl": "1h"}}`,
      `{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"${blue}"}}`,
      `{"source":{"data":"${blue}","media_type":"image/png","type":"base64"},"type":"image"}`,
    ],
    instead: [
      `{"type":"text","text":${WORDS},"cache_control":{"type":"ephemeral","ttl": "1h"}}`,
      `{"type":"text","text":${WORDS}}`,
      `{"type":"text","text":${WORDS}}`,
    ],
    answer: ['{"id":"msg_1","type":"message",', '"content":[{"type":"text","text":"Ä"}]}'],
    type: JSON_TYPE,
    streamed: events(
      ['message_start', { type: 'message_start' }],
      ['content_block_delta', { type: 'content_block_delta', delta: { text: 'A' } }],
      ['ping', { type: 'ping' }],
      ['message_stop', { type: 'message_stop' }],
    ),
  };
}
