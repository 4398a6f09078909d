// A sender that is faster than this program keeps its socket full, and the system hands over all of it in one turn of the
// event loop. Between so many bytes and the next, the loop turns.

/** Taking them costs about a millisecond. */
const BYTES_A_TURN = 262_144;

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
