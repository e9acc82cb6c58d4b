/** How a tab reaches its leader: over a BroadcastChannel, or directly. docs/connector.md has the states of a tab. */

/** @import { Follower } from "./follower.js" */
/** @import { FollowerMessage, FromFollower, FromLeader, LeaderMessage, Receiver, Transport, TransportOptions, Timers } from "./types" */

import { Leader } from "./leader.js";

/**
 * The messages between tabs, and who sends them. types.d.ts has their fields and meanings.
 *
 * @type {Record<FollowerMessage["type"] | LeaderMessage["type"], "follower" | "leader">}
 */
const SENDERS = {
  want: "follower",
  bye: "follower",
  wake: "follower",
  retry: "follower",
  open: "leader",
  wait: "leader",
  event: "leader",
  ping: "leader",
  reset: "leader",
  refused: "leader",
  ended: "leader",
  full: "leader",
};
const VERSION = 3; // of these messages; tabs of two versions do not share

const GRACE = 3_000; // ms of a leader's delay, until it is asked, and again until it is replaced
const FIRST_MESSAGE = 2_000; // ms

/** Web Locks exist in secure contexts only. */
export function canShare({ navigator, BroadcastChannel } = globalThis) {
  return navigator?.locks !== undefined && BroadcastChannel !== undefined;
}

/** @implements {Transport} */
export class DirectTransport {
  #options;
  #follower;
  /** @type {Leader | null} */
  #leader = null;

  /**
   * @param {TransportOptions} options
   * @param {Follower} follower
   */
  constructor(options, follower) {
    this.#options = { settle: 0, ...options };
    this.#follower = follower;
  }

  join() {
    const term = this.#follower.term + 1;
    this.#leader = new Leader(this.#options, (message) => this.#follower.receive({ ...message, term }));
    this.#leader.start();
  }

  leave() {
    this.#leader?.close();
    this.#leader = null;
  }

  /** @param {FollowerMessage} message */
  send(message) {
    this.#leader?.receive({ ...message, tab: "direct" });
  }
}

/**
 * The tab that holds a Web Lock leads the tabs of the same name.
 *
 * @implements {Transport}
 */
export class SharedTransport {
  #name;
  #options;
  #follower;
  #tab = "";
  /** @type {BroadcastChannel | null} */
  #channel = null;
  /** @type {Receiver | null} */
  #leader = null;
  #membership = new AbortController(); // its abort releases all locks
  #isPresent = false;
  #overdue = 0;

  /**
   * @param {string} name
   * @param {TransportOptions} options
   * @param {Follower} follower
   */
  constructor(name, options, follower) {
    this.#name = `rtapp ${VERSION} ${name}`;
    this.#options = { grace: GRACE, onFull: () => {}, timers: /** @type {Timers} */ (globalThis), ...options };
    this.#follower = follower;
  }

  join() {
    const { signal } = (this.#membership = new AbortController());
    this.#tab = Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join("");
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => this.#receive(data);
    // By this lock the leader notices the tab's end.
    const present = () => {
      this.#isPresent = true;
      this.#queue(signal);
      this.#follow();
    };
    withLock(this.#lockOf(this.#tab), signal, present, this.#options.onFull);
  }

  leave() {
    if (this.#channel === null) return;
    this.send({ type: "bye" });
    this.#isPresent = false;
    this.#stepDown();
    this.#membership.abort();
    this.#options.timers.clearTimeout(this.#overdue);
    this.#channel.close();
    this.#channel = null;
  }

  /** @param {FollowerMessage} message */
  send(message) {
    if (!this.#isPresent) return; // once present, it sends `want`
    const sent = { ...message, tab: this.#tab };
    if (this.#leader) this.#leader.receive(sent);
    else this.#channel?.postMessage(sent);
  }

  // Leading

  /** @param {AbortSignal} signal */
  #queue(signal) {
    const lost = () => {
      this.#deposed();
      this.#queue(signal);
    };
    withLock(this.#name, signal, () => this.#lead(), lost);
  }

  /** The tab stays in the queue for the lock. */
  #steal() {
    withLock(this.#name, this.#membership.signal, () => this.#lead(), () => this.#deposed(), { steal: true });
  }

  #lead() {
    this.#options.timers.clearTimeout(this.#overdue);
    const term = Math.max(Date.now(), this.#follower.term + 1);
    const channel = this.#channel;
    const ended = new AbortController();
    const watched = new Set();
    const leader = new Leader(this.#options, (message) => {
      const sent = { ...message, term };
      channel?.postMessage(sent);
      this.#deliver(sent);
    });
    this.#leader = {
      receive: (message) => {
        if (!watched.has(message.tab)) {
          watched.add(message.tab);
          this.#watch(message.tab, ended.signal);
        }
        leader.receive(message);
      },
      close: () => {
        ended.abort();
        leader.close();
      },
    };
    leader.start();
  }

  /** @type {(tab: string, signal: AbortSignal) => void} */
  #watch(tab, signal) {
    if (tab === this.#tab) return;
    withLock(this.#lockOf(tab), signal, (release) => {
      release();
      this.#leader?.receive({ type: "bye", tab });
    });
  }

  #stepDown() {
    this.#leader?.close();
    this.#leader = null;
  }

  /** Another tab took this one for hung. */
  #deposed() {
    this.#stepDown();
    this.#follow();
  }

  /** @param {string} tab */
  #lockOf(tab) {
    return `${this.#name} ${tab}`;
  }

  // Following

  #follow() {
    this.#follower.want();
    this.#expectWithin(FIRST_MESSAGE);
  }

  /** @param {FromFollower | FromLeader} message */
  #receive(message) {
    if (isFromFollower(message)) {
      this.#leader?.receive(message);
    } else if (!this.#leader && message.term >= this.#follower.term) {
      this.#expectWithin(message.due + this.#options.grace);
      this.#deliver(message);
    }
  }

  /** @param {FromLeader} message */
  #deliver(message) {
    if (message.type !== "full") this.#follower.receive(message);
    else if (message.tab === this.#tab) this.#options.onFull();
  }

  /**
   * A late leader is asked, because timers are slow in a hidden tab. If it does not answer, it hangs.
   *
   * @param {number} delay
   */
  #expectWithin(delay) {
    const { timers, grace } = this.#options;
    timers.clearTimeout(this.#overdue);
    this.#overdue = timers.setTimeout(() => {
      this.send({ type: "wake" });
      this.#overdue = timers.setTimeout(() => this.#steal(), grace * (1 + Math.random()));
    }, delay);
  }
}

/** @type {(message: FromFollower | FromLeader) => message is FromFollower} */
function isFromFollower({ type }) {
  return SENDERS[type] === "follower";
}

/**
 * Holds a lock until `release` or `signal`. `lost` is called if it is stolen, or forbidden.
 *
 * @type {(name: string, signal: AbortSignal, granted: (release: () => void) => void, lost?: () => void, options?: {steal?: boolean}) => void}
 */
function withLock(name, signal, granted, lost = () => {}, { steal = false } = {}) {
  if (signal.aborted) return;
  /** @returns {Promise<void>} */
  const held = () =>
    new Promise((release) => {
      if (signal.aborted) return release();
      signal.addEventListener("abort", () => release());
      granted(release);
    });
  navigator.locks.request(name, steal ? { steal } : { signal }, held).catch(() => {
    if (!signal.aborted) lost();
  });
}
