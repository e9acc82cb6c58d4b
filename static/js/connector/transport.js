/**
 * How a tab reaches its leader. With SharedTransport, the tab that holds a Web Lock leads and posts to the others through a
 * BroadcastChannel. When it closes or crashes, the browser grants the lock to the next tab; when it hangs, another tab
 * steals the lock. With DirectTransport, a tab leads itself. docs/connector.md has the states.
 */

/** @import { FollowerMessage, FromFollower, FromLeader, LeaderMessage, Receiver, Transport, TransportOptions, Timers } from "./types" */

import { Leader } from "./leader.js";

/**
 * The messages between tabs: kind, sender, fields, meaning. A follower's message also has `tab`, its sender. A leader's has
 * `term`, which grows with each leader, and `due`, the ms within which its next message follows. types.d.ts has the types.
 *
 * @type {Record<FollowerMessage["type"] | LeaderMessage["type"], "follower" | "leader">}
 */
const SENDERS = {
  want: "follower", //  streams: [{stream, cursor, joined}]   all that the tab wants; replaces what it wanted before
  bye: "follower", //                                         the tab leaves; the leader sends it itself for a crashed one
  wake: "follower", //                                        run what is overdue, and answer with `open` or `wait`
  retry: "follower", //                                       the network is back: end the back-off
  open: "leader", //    from, streams, resumed, id            live: everything after `from` follows
  wait: "leader", //    reason                                not live; with a reason once it was interrupted
  event: "leader", //   name, data, id                        an event as the server sent it
  ping: "leader", //    lag, id                               the server's heartbeat; `lag` in s
  reset: "leader", //   reason, id                            missed events can't be replayed; continues after `id`
  refused: "leader", // stream, status, reason                the server refused this stream for good
  ended: "leader", //   status, reason                        the server ended all of them for good
  full: "leader", //    tab                                   no room for this tab's streams: it uses a DirectTransport
};
const VERSION = 2; // of these messages: tabs with modules of another version do not share

const GRACE = 3_000; // ms by which a leader may be late, before it is asked and again before it is replaced
const FIRST_MESSAGE = 2_000; // ms in which a leader answers a new tab

/** Whether tabs can share here. Web Locks exist in secure contexts only, and an intranet may have plain HTTP. */
export function canShare({ navigator, BroadcastChannel } = globalThis) {
  return navigator?.locks !== undefined && BroadcastChannel !== undefined;
}

/**
 * A tab by itself: leader and only follower.
 *
 * @implements {Transport}
 */
export class DirectTransport {
  #options;
  #follower;
  /** @type {Leader | null} */
  #leader = null;

  /**
   * @param {TransportOptions} options
   * @param {import("./follower.js").Follower} follower
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
 * A tab among others whose transport has the same name.
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
  #membership = new AbortController(); // its abort releases every lock
  #isPresent = false;
  /** @type {any} */
  #overdue = null;

  /**
   * @param {string} name  of what is shared: the address, user, account and format of the connection
   * @param {TransportOptions} options
   * @param {import("./follower.js").Follower} follower
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
    // Each tab holds a lock of its own while it is present, so that the leader notices its end, even a crash.
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

  /**
   * Sends a message to the leader, this tab or another.
   *
   * @param {FollowerMessage} message
   */
  send(message) {
    if (!this.#isPresent) return; // a present tab begins with `want`
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

  /** The place in the queue for the lock is kept. */
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

  /** Another tab took this one for hung, and leads. */
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
   * A late leader is asked first, because timers are slow in a hidden tab. If it does not answer, it hangs.
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
 * Requests a lock and holds it, from the call of `granted` until its `release` is called, the signal aborts, or another tab
 * steals it. `lost` is called in the last case, and where locks are forbidden. https://www.w3.org/TR/web-locks/
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
