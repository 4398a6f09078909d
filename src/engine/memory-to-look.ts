// What a model needs at least, for listings: reads the checkpoint's settings here and now, and loads nothing.
import { openModel } from '../models/registry.js';
import { leastBytes } from './budgets.js';
import { leastMemory } from './memory-need.js';
import { nativeOptions } from './native-options.js';
import { SCREEN } from './pace.js';

/** Bytes that looking at a screen takes at least, weights included. @throws AfterimageError as `openModel`, NATIVE_MISSING */
export function memoryToLook(folder: string): number {
  const { checkpoint, model } = openModel(folder);
  const native = nativeOptions({}, checkpoint, model);
  const [least] = leastMemory(native, model, [model.processor.plan(SCREEN.width, SCREEN.height)]);
  return leastBytes(least!);
}
