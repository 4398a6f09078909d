/** Key under which an error result carries its code for programs; people and models read it in the text. */
export const ERROR_META = 'afterimage-mcp/error';

/** Key under which a result tells the app, and no model, what was reused. */
export const REUSE_META = 'afterimage-mcp/reuse';
