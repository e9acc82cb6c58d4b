/** What the page may say of its connection. */

const MIN_LAG = 3; // s
const LIFE = 10_000; // ms; a connection that was cut sooner may be cut again
const TOLERATED = 1; // connections of short life

export class LiveState {
  #now;
  /** @type {number | null} */
  #connectedAt = null;
  #wasConnected = false;
  #shortLives = 0;
  #isOffline = false;
  #isDoubtful = false; // the network was away: the link may be dead
  #hasEnded = false;
  #lag = 0;
  #isDelayed = false;

  constructor(now = () => Date.now()) {
    this.#now = now;
  }

  /** `connecting`, `live`, `delayed`, `late`, `reconnecting`, `offline` or `ended`. */
  get name() {
    if (this.#hasEnded) return "ended";
    if (this.#isOffline) return "offline";
    if (this.#connectedAt === null && this.#lag < MIN_LAG) return this.#wasConnected ? "reconnecting" : "connecting";
    if (this.#isDoubtful || this.#isUnsteady()) return "reconnecting";
    if (this.#lag >= MIN_LAG) return "late";
    return this.#isDelayed ? "delayed" : "live";
  }

  /** Seconds by which the page is behind. */
  get lag() {
    return this.#lag;
  }

  /** While a connection opens and is cut again and again, the state is `reconnecting` until one has lasted. */
  #isUnsteady() {
    return this.#connectedAt !== null && this.#shortLives > TOLERATED && this.#now() - this.#connectedAt < LIFE;
  }

  connected(isDelayed = false) {
    this.#isDelayed = isDelayed;
    this.#connectedAt = this.#now();
    this.#wasConnected = true;
    this.#isOffline = this.#isDoubtful = this.#hasEnded = false;
    this.#lag = 0;
  }

  /** @type {(reason: string, isOnline: boolean) => void} */
  disconnected(reason, isOnline) {
    const life = this.#connectedAt === null ? 0 : this.#now() - this.#connectedAt;
    if (life >= LIFE) this.#shortLives = 0;
    else if (this.#connectedAt !== null && reason !== "away") this.#shortLives++;
    this.#connectedAt = null;
    this.#wasConnected = true;
    this.#isOffline = !isOnline;
    this.#isDoubtful = false;
    this.#lag = 0;
  }

  /** Pings also come before the stream is live: the server holds it, and `lag` grows. @param {number} lag */
  ping(lag) {
    this.#lag = lag;
    this.#isOffline = this.#isDoubtful = false;
  }

  offline() {
    this.#isOffline = true;
  }

  online() {
    this.#isDoubtful ||= this.#isOffline;
    this.#isOffline = false;
  }

  ended() {
    this.#hasEnded = true;
  }
}
