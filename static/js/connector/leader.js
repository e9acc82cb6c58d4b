/**
 * The one connection of all tabs: opened for the union of what they want, from the oldest of the cursors at which they
 * stand. No DOM in here, and it does not know how its words travel: see shared.js.
 */

import { Connection, HEARTBEAT } from "./connection.js";
import { compare, oldest } from "./cursor.js";
import { askWhy, backoff, isRefusal, reasonOf, streamUrl } from "./request.js";

export const MOST = 32; // streams on one connection, as the server allows
const SETTLE = 50; // ms in which tabs that change at the same time are waited for
const LINGER = 30_000; // ms until a stream that nobody wants any more is given up: pages navigate
const TICK = 5_000; // ms between two looks at whether something is overdue

/**
 * @typedef {import("./connection.js").Options & {settle?: number, linger?: number}} Options
 */

export class Leader {
  #options;
  #post;
  #wants = new Map(); // tab → [{stream, cursor, joined}]
  #streams = []; // that the connection was opened for
  #connection = null;
  #position = ""; // how far the connections before it came
  #growing = null;
  #shrinking = null;
  #ticker;
  #failures = 0;
  #over = false;

  /**
   * @param {Options} options
   * @param {(message: object) => void} post  to all tabs, the own one included
   */
  constructor(options, post) {
    const defaults = { settle: SETTLE, linger: LINGER, timers: globalThis, ask: askWhy };
    this.#options = { ...defaults, ...options };
    this.#post = (message) => post({ ...message, due: this.#connection?.due ?? HEARTBEAT });
    this.#ticker = this.#options.timers.setInterval(() => this.#connection?.wake(), TICK);
  }

  /** Makes itself known: everyone answers with what they want. */
  start() {
    this.#post({ type: "wait" });
  }

  close() {
    this.#over = true;
    this.#options.timers.clearInterval(this.#ticker);
    this.#settle();
    this.#connection?.close();
  }

  /** What a tab says. */
  hear(message) {
    if (!this.#over) this.#on[message.type]?.(message);
  }

  #on = {
    want: ({ tab, streams }) => {
      this.#wants.delete(tab);
      if (streams.length > 0) this.#wants.set(tab, streams);
      this.#refuseTooMany(tab);
      this.#consider();
    },
    bye: ({ tab }) => {
      if (this.#wants.delete(tab)) this.#consider();
    },
    wake: () => {
      this.#connection?.wake();
      this.#answer();
    },
    retry: () => this.#connection?.retry(),
  };

  #union() {
    return [...new Set([...this.#wants.values()].flat().map(({ stream }) => stream))];
  }

  #refuseTooMany(tab) {
    if (this.#union().length <= MOST) return;
    this.#wants.delete(tab);
    this.#post({ type: "full", tab });
  }

  #consider() {
    if (this.#isMissing()) {
      this.#growing ??= this.#later(this.#options.settle);
    } else {
      this.#answer();
      if (this.#isTooMuch()) this.#shrinking ??= this.#later(this.#options.linger);
    }
  }

  #isMissing() {
    return [...this.#wants.values()].flat().some((want) => !this.#has(want));
  }

  /**
   * Whether the connection brings everything after the cursor at which a tab stands. One that is open does not, for a tab
   * that comes now: who types, and who is there, is told at the beginning. A tab of another epoch begins anew by itself.
   */
  #has({ stream, cursor, joined }) {
    if (this.#connection === null || !this.#streams.includes(stream)) return false;
    const ahead = compare(this.#connection.cursor, cursor);
    return joined || Number.isNaN(ahead) || (ahead <= 0 && !this.#connection.isOpen);
  }

  #isTooMuch() {
    const wanted = this.#union();
    return this.#streams.some((stream) => !wanted.includes(stream));
  }

  #answer() {
    if (this.#connection?.isOpen) {
      const { cursor } = this.#connection;
      this.#opened({ type: "open", from: cursor, resumed: true, id: cursor });
    } else {
      this.#post({ type: "wait", reason: this.#connection?.interrupted });
    }
  }

  #opened({ from, ...message }) {
    for (const want of [...this.#wants.values()].flat()) {
      want.joined ||= this.#streams.includes(want.stream) && !(compare(from, want.cursor) > 0);
    }
    this.#post({ ...message, from, streams: this.#streams });
  }

  #later(delay) {
    return this.#options.timers.setTimeout(() => this.#reopen(), delay);
  }

  #settle() {
    this.#options.timers.clearTimeout(this.#growing);
    this.#options.timers.clearTimeout(this.#shrinking);
    this.#growing = this.#shrinking = null;
  }

  #reopen() {
    this.#settle();
    if (!this.#isMissing() && !this.#isTooMuch()) return;
    const behind = [...this.#wants.values()].flat().filter(({ joined }) => !joined);
    const cursor = oldest([this.#connection?.cursor ?? this.#position, ...behind.map((want) => want.cursor)]);
    this.#connection?.close();
    this.#connection = null;
    this.#streams = this.#union();
    this.#position = cursor;
    if (this.#streams.length === 0) return;
    this.#connection = new Connection({ ...this.#options, streams: this.#streams, cursor }, (message) => this.#told(message));
  }

  #told(message) {
    if (message.type === "closed") {
      this.#position = this.#connection.cursor;
      this.#connection = null;
      this.#refused(message);
    } else if (message.type === "open") {
      this.#failures = 0;
      this.#opened(message);
    } else {
      this.#post(message);
    }
  }

  /** One stream that is refused must not take the others down. */
  async #refused({ reason, status }) {
    if (reason === "signed_out" || status === 401) {
      this.#end({ status: 401, reason: "signed_out" });
    } else if (reason !== "forbidden" && status === undefined) {
      this.#end({ reason }); // of a kind that only a newer server knows
    } else {
      await this.#findOutWhich(reason, status);
    }
  }

  async #findOutWhich(reason, status) {
    const answers = new Map();
    for (const stream of this.#streams) {
      this.#post({ type: "wait", reason });
      answers.set(stream, (await this.#options.ask(streamUrl({ ...this.#options, streams: [stream] }))).status);
      if (this.#over || this.#connection !== null) return; // which asks for itself
    }
    const refused = [...answers].filter(([, answer]) => isRefusal(answer));
    if (refused.some(([, answer]) => answer === 401)) {
      this.#end({ status: 401, reason: "signed_out" });
    } else if (refused.length === 0 && status === 400) {
      this.#end({ status, reason }); // none of them by itself: asking again would not help
    } else {
      for (const [stream, answer] of refused) this.#drop(stream, answer);
      const delay = refused.length > 0 ? 0 : backoff(this.#failures++, this.#options.random);
      this.#growing ??= this.#later(delay);
    }
  }

  #drop(stream, status) {
    this.#forget(({ stream: wanted }) => wanted !== stream);
    this.#post({ type: "refused", stream, status, reason: reasonOf(status) });
  }

  #end(closing) {
    this.#forget(() => false);
    this.#streams = [];
    this.#post({ type: "over", ...closing });
  }

  #forget(stays) {
    for (const [tab, streams] of this.#wants) {
      const left = streams.filter(stays);
      if (left.length > 0) this.#wants.set(tab, left);
      else this.#wants.delete(tab);
    }
  }
}
