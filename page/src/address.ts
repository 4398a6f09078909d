// Addresses of pictures as they become known.
import { useEffect, useState } from 'preact/hooks';
import type { Server } from './server.js';

/** Undefined until it is there. @param onRefused hears why it will not be. */
export function useAddress(
  server: Server,
  imageId: string | undefined,
  side: number,
  onRefused: (error: Error) => void,
): string | undefined {
  const [known, setKnown] = useState<{ imageId: string; address: string }>();
  useEffect(() => {
    let wanted = true;
    if (imageId !== undefined)
      server.picture(imageId, side).then(
        (address) => wanted && setKnown({ imageId, address }),
        (error: Error) => wanted && onRefused(error),
      );
    return () => {
      wanted = false;
    };
  }, [server, imageId, side]);
  return known && known.imageId === imageId ? known.address : undefined;
}
