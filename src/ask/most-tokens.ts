// A limit that doors know before they load any tool.

/** Of an answer: more than any client's result limit lets through. */
export const MOST_TOKENS = 4096;
