// `entry.ts` as it stands, for programs that run under tsx: what it hooks in there does not reach worker threads.
import { register } from 'tsx/esm/api';

register();
export const { default: perform } = await import('./entry.ts');
export default perform;
