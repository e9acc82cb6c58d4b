/** The delays between attempts to connect. */

const FIRST_DELAY = 1_000; // ms
const LONGEST_DELAY = 30_000; // ms
const LIFE = 10_000; // ms after which a stream counts as one that worked

/**
 * Shared by all connections of a leader, so that a new connection doesn't begin anew. A stream that opens and is cut soon
 * is a failed attempt like one that does not open.
 */
export class Backoff {
  #now;
  #random;
  #first;
  #longest;
  #attempt = 0;
  /** @type {number | null} */
  #openedAt = null;

  /** @param {{now?: () => number, random?: () => number, firstDelay?: number, longestDelay?: number}} [options] */
  constructor({ now = Date.now, random = Math.random, firstDelay = FIRST_DELAY, longestDelay = LONGEST_DELAY } = {}) {
    this.#now = now;
    this.#random = random;
    this.#first = firstDelay;
    this.#longest = longestDelay;
  }

  opened() {
    this.#openedAt = this.#now();
  }

  /** Whether a stream was open, and for so long that the next delay is the first again. */
  ended() {
    const hasLasted = this.#openedAt !== null && this.#now() - this.#openedAt >= LIFE;
    if (hasLasted) this.#attempt = 0;
    this.#openedAt = null;
    return hasLasted;
  }

  /** ms before the next attempt: doubled each time, of which the upper half is random. */
  next() {
    this.ended();
    const ceiling = Math.min(this.#longest, this.#first * 2 ** this.#attempt++);
    return (ceiling + this.#random() * ceiling) / 2;
  }
}
