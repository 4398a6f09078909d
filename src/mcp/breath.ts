// A sender that is faster than this program keeps its socket full, and the system hands over all of it in one turn of the
// event loop. Between so many bytes and the next, the loop turns.

/** What the system hands over at once. V8 may collect for milliseconds at each such piece, so two would be too many. */
const BYTES_A_TURN = 65_536;

export class Breath {
  #taken = 0;

  /** Whether the loop should turn before more is taken. */
  due(bytes: number): boolean {
    this.#taken += bytes;
    if (this.#taken < BYTES_A_TURN) return false;
    this.#taken = 0;
    return true;
  }
}
