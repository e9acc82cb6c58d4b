/**
 * How the tabs of one browser come to share a connection. The tab that holds a Web Lock leads: it owns the connection
 * and tells the others through a BroadcastChannel. When it closes or crashes, the browser gives the lock to the next.
 * When it hangs, so that nothing is heard from it in time, the lock is taken from it. Here are the locks and the
 * channel; what is said is the business of leader.js and member.js.
 */

import { Leader } from "./leader.js";

const GRACE = 3_000; // ms by which a leader may be late, before it is asked and again before it is replaced
const FIRST_WORD = 2_000; // ms in which a leader answers a tab that has just come
const TO_LEADER = new Set(["want", "bye", "wake", "retry"]);

/** Whether tabs can share here: Web Locks exist in secure contexts only, and an intranet may have plain HTTP. */
export function canShare({ navigator, BroadcastChannel } = globalThis) {
  return navigator?.locks !== undefined && BroadcastChannel !== undefined;
}

/** A tab by itself: leader and only member. */
export class Alone {
  #options;
  #member;
  #leader = null;

  constructor(options, member) {
    this.#options = { settle: 0, ...options };
    this.#member = member;
  }

  join() {
    const term = this.#member.term + 1;
    this.#leader = new Leader(this.#options, (message) => this.#member.hear({ ...message, term }));
    this.#leader.start();
  }

  leave() {
    this.#leader?.close();
    this.#leader = null;
  }

  send(message) {
    this.#leader?.hear({ ...message, tab: "alone" });
  }
}

/** A tab among others that have the same `name`. */
export class Shared {
  #name;
  #options;
  #member;
  #tab = "";
  #channel = null;
  #leader = null;
  #leaving = null; // lets go of every lock
  #isThere = false;
  #overdue = null;

  /**
   * @param {string} name  of what is shared: the same connection, for the same person
   * @param {import("./leader.js").Options & {grace?: number, full?: () => void}} options
   *     `full` is called when the one connection has no room for this tab's streams
   * @param {import("./follower.js").Member} member
   */
  constructor(name, options, member) {
    this.#name = name;
    this.#options = { grace: GRACE, full: () => {}, timers: globalThis, ...options };
    this.#member = member;
  }

  join() {
    const leaving = (this.#leaving = new AbortController());
    this.#tab = Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join("");
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => this.#heard(data);
    // Held for as long as this tab is there, so that a leader learns of its end however it comes.
    const isThere = () => {
      this.#isThere = true;
      this.#queue(leaving.signal);
      this.#follow();
    };
    hold(this.#lockOf(this.#tab), leaving.signal, isThere, this.#options.full);
  }

  leave() {
    if (this.#channel === null) return;
    this.send({ type: "bye" });
    this.#isThere = false;
    this.#stepDown();
    this.#leaving.abort();
    this.#options.timers.clearTimeout(this.#overdue);
    this.#channel.close();
    this.#channel = null;
  }

  /** To the leader, whichever tab it is. */
  send(message) {
    if (!this.#isThere) return; // what is wanted is said when it is
    const said = { ...message, tab: this.#tab };
    if (this.#leader) this.#leader.hear(said);
    else this.#channel?.postMessage(said);
  }

  // Leading

  #queue(signal) {
    const lost = () => {
      this.#deposed();
      this.#queue(signal);
    };
    hold(this.#name, signal, () => this.#lead(), lost);
  }

  /** The place in the queue is kept. */
  #steal() {
    hold(this.#name, this.#leaving.signal, () => this.#lead(), () => this.#deposed(), { steal: true });
  }

  #lead() {
    this.#options.timers.clearTimeout(this.#overdue);
    const term = Math.max(Date.now(), this.#member.term + 1);
    const channel = this.#channel;
    const gone = new AbortController();
    const watched = new Set();
    const leader = new Leader(this.#options, (message) => {
      const said = { ...message, term };
      channel.postMessage(said);
      this.#told(said);
    });
    this.#leader = {
      hear: (message) => {
        if (!watched.has(message.tab)) {
          watched.add(message.tab);
          this.#watch(message.tab, gone.signal);
        }
        leader.hear(message);
      },
      close: () => {
        gone.abort();
        leader.close();
      },
    };
    leader.start();
  }

  #watch(tab, signal) {
    if (tab === this.#tab) return;
    hold(this.#lockOf(tab), signal, (released) => {
      released();
      this.#leader?.hear({ type: "bye", tab });
    });
  }

  #stepDown() {
    this.#leader?.close();
    this.#leader = null;
  }

  /** The others held this tab for hung. */
  #deposed() {
    this.#stepDown();
    this.#follow();
  }

  #lockOf(tab) {
    return `${this.#name} ${tab}`;
  }

  // Following

  #follow() {
    this.#member.want();
    this.#expectWithin(FIRST_WORD);
  }

  #heard(message) {
    if (TO_LEADER.has(message.type)) {
      this.#leader?.hear(message);
    } else if (!this.#leader && message.term >= this.#member.term) {
      this.#expectWithin(message.due + this.#options.grace);
      this.#told(message);
    }
  }

  #told(message) {
    if (message.type !== "full") this.#member.hear(message);
    else if (message.tab === this.#tab) this.#options.full();
  }

  /** A leader that is late is asked, because timers are slow in a hidden tab; one that does not answer has hung. */
  #expectWithin(delay) {
    const { timers, grace } = this.#options;
    timers.clearTimeout(this.#overdue);
    this.#overdue = timers.setTimeout(() => {
      this.send({ type: "wake" });
      this.#overdue = timers.setTimeout(() => this.#steal(), grace * (1 + Math.random()));
    }, delay);
  }
}

/**
 * Asks for a lock, and holds it from `then` on until `released` is called, the signal aborts or somebody steals it
 * (`lost`, which is also called where locks are forbidden). https://www.w3.org/TR/web-locks/
 */
function hold(name, signal, then, lost = () => {}, { steal = false } = {}) {
  if (signal.aborted) return;
  const held = () =>
    new Promise((released) => {
      if (signal.aborted) return released();
      signal.addEventListener("abort", released);
      return then(released);
    });
  navigator.locks.request(name, steal ? { steal } : { signal }, held).catch(() => {
    if (!signal.aborted) lost();
  });
}
