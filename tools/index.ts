// The tools that the server offers, in the order in which clients list them.
import { chatWithImages } from './chat-with-images.js';
import { compareImages } from './compare-images.js';
import { describeImage } from './describe-image.js';
import { ocr } from './ocr.js';
import type { Tool } from '../src/ask/tool.js';

export const tools: Tool[] = [describeImage, ocr, compareImages, chatWithImages];
