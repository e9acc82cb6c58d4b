/** Owns the connection of all tabs: opened for the union of their streams, from the oldest of their cursors. */

/** @import { ConnectionMessage, Closed, FromFollower, Handlers, LeaderMessage, LeaderOptions, Open, Timers, Want } from "./types" */

import { Backoff } from "./backoff.js";
import { Connection, HEARTBEAT } from "./connection.js";
import { compare, oldest } from "./cursor.js";
import { Delivery } from "./delivery.js";
import { isRefusal, probe, reasonOf, streamUrl } from "./request.js";

export const MAX_STREAMS = 32; // on one connection, as the server allows
const SETTLE = 50; // ms in which changes are collected
const LINGER = 30_000; // ms until an unwanted stream is closed: pages navigate
const POLL_INTERVAL = 5_000; // ms
const RENEWALS = 2; // after which signed out is final

export class Leader {
  #options;
  #post;
  /** @type {Map<string, Want[]>} by tab */
  #wants = new Map();
  /** @type {string[]} that the connection was opened for */
  #streams = [];
  /** @type {Connection | null} */
  #connection = null;
  #cursor = ""; // of the connections before this one
  #growTimer = 0;
  #shrinkTimer = 0;
  #renewTimer = 0;
  #pollTimer;
  #renewals = 0; // since a stream was open
  #isRenewing = false;
  /** @type {string | undefined} */
  #secret; // of the credentials with which the connection was opened
  #backoff;
  #delivery;
  #ended = false;

  /**
   * @param {LeaderOptions} options
   * @param {(message: LeaderMessage & {due: number}) => void} post  to all tabs, its own included
   */
  constructor(options, post) {
    this.#options = { settle: SETTLE, linger: LINGER, timers: /** @type {Timers} */ (globalThis), probe, ...options };
    this.#backoff = new Backoff(options);
    this.#delivery = options.delivery ?? new Delivery(options);
    /** @param {LeaderMessage} message */
    this.#post = (message) => post({ ...message, due: this.#connection?.due ?? HEARTBEAT });
    this.#pollTimer = this.#options.timers.setInterval(() => this.#connection?.wake(), POLL_INTERVAL);
  }

  /** Every tab answers with `want`. */
  start() {
    this.#post({ type: "wait" });
  }

  close() {
    this.#ended = true;
    this.#options.timers.clearInterval(this.#pollTimer);
    this.#options.timers.clearTimeout(this.#renewTimer);
    this.#clearTimers();
    this.#connection?.close();
  }

  /** @param {FromFollower} message */
  receive(message) {
    if (!this.#ended) /** @type {any} */ (this.#handlers[message.type])?.(message);
  }

  /** @type {Handlers<FromFollower>} */
  #handlers = {
    want: ({ tab, streams }) => {
      this.#wants.delete(tab);
      if (streams.length > 0) this.#wants.set(tab, streams);
      this.#refuseExcess(tab);
      this.#update();
    },
    bye: ({ tab }) => {
      if (this.#wants.delete(tab)) this.#update();
    },
    wake: () => {
      this.#connection?.wake();
      this.#postState();
    },
    retry: () => {
      this.#connection?.retry();
      if (this.#renewTimer) this.#ask();
    },
  };

  #allWants() {
    return [...this.#wants.values()].flat();
  }

  #union() {
    return [...new Set(this.#allWants().map(({ stream }) => stream))];
  }

  /** @param {string} tab */
  #refuseExcess(tab) {
    if (this.#union().length <= MAX_STREAMS) return;
    this.#wants.delete(tab);
    this.#post({ type: "full", tab });
  }

  #update() {
    if (this.#hasUnserved()) {
      this.#growTimer ||= this.#reopenIn(this.#options.settle);
    } else {
      this.#postState();
      if (this.#hasUnwanted()) this.#shrinkTimer ||= this.#reopenIn(this.#options.linger);
    }
  }

  #hasUnserved() {
    return this.#allWants().some((want) => !this.#serves(want));
  }

  /**
   * Whether the connection brings all that follows the cursor. Once it is open, a new tab would miss the snapshots of
   * presence and typing. A tab with another epoch resets itself.
   *
   * @param {Want} want
   */
  #serves({ stream, cursor, joined }) {
    if (this.#connection === null || !this.#streams.includes(stream)) return false;
    const ahead = compare(this.#connection.cursor, cursor);
    return joined || Number.isNaN(ahead) || (ahead <= 0 && !this.#connection.isOpen);
  }

  #hasUnwanted() {
    const wanted = this.#union();
    return this.#streams.some((stream) => !wanted.includes(stream));
  }

  #postState() {
    if (this.#connection?.isOpen) {
      const { cursor } = this.#connection;
      this.#postOpen({ type: "open", from: cursor, resumed: true, id: cursor, delayed: this.#delivery.isDelayed });
    } else {
      this.#post({ type: "wait", reason: this.#connection?.interruption });
    }
  }

  /** @param {Open} message */
  #postOpen(message) {
    for (const want of this.#allWants()) {
      want.joined ||= this.#streams.includes(want.stream) && !(compare(message.from, want.cursor) > 0);
    }
    this.#post({ ...message, streams: this.#streams });
  }

  /** @param {number} delay */
  #reopenIn(delay) {
    return this.#options.timers.setTimeout(() => this.#reopen(), delay);
  }

  #clearTimers() {
    this.#options.timers.clearTimeout(this.#growTimer);
    this.#options.timers.clearTimeout(this.#shrinkTimer);
    this.#growTimer = this.#shrinkTimer = 0;
  }

  #reopen() {
    this.#clearTimers();
    if (this.#isRenewing) return;
    if (!this.#hasUnserved() && !this.#hasUnwanted()) return;
    const behind = this.#allWants().filter(({ joined }) => !joined);
    const cursor = oldest([this.#connection?.cursor ?? this.#cursor, ...behind.map((want) => want.cursor)]);
    this.#connection?.close();
    this.#connection = null;
    this.#streams = this.#union();
    this.#cursor = cursor;
    if (this.#streams.length === 0) return;
    if (this.#options.credentials.isMissing) return this.#renew();
    this.#secret = this.#options.credentials.secret;
    const options = { ...this.#options, backoff: this.#backoff, delivery: this.#delivery, streams: this.#streams, cursor };
    this.#connection = new Connection(options, (message) => this.#relay(message));
  }

  /** @param {ConnectionMessage} message */
  #relay(message) {
    if (message.type === "closed") {
      this.#cursor = this.#connection?.cursor ?? "";
      this.#connection = null;
      this.#closed(message);
    } else if (message.type === "open") {
      this.#renewals = 0;
      this.#postOpen(message);
    } else {
      this.#post(message);
    }
  }

  /** @param {Closed} closing */
  #closed({ reason, status }) {
    if (reason === "signed_out" || status === 401) {
      this.#renew();
    } else if (reason !== "forbidden" && status === undefined) {
      this.#end({ reason }); // a reason of a newer server
    } else {
      this.#probeEach(reason, status);
    }
  }

  /** Before the end, the credentials are renewed. */
  #renew() {
    if (this.#isRenewing) return;
    if (this.#renewals >= RENEWALS) return this.#end({ status: 401, reason: "signed_out" });
    this.#isRenewing = true;
    this.#post({ type: "wait", reason: this.#options.credentials.isMissing ? undefined : "signed_out" });
    this.#ask();
  }

  /**
   * Asks twice: as a session takes the place of another one, the stream may be closed before the browser has the new cookie.
   * Unanswered, asks again and again.
   */
  async #ask() {
    const { credentials, timers } = this.#options;
    timers.clearTimeout(this.#renewTimer);
    this.#renewTimer = 0;
    const isFirst = credentials.isMissing;
    const answer = await credentials.renew(this.#secret).catch(() => null);
    if (this.#ended) return;
    if (answer !== null) this.#renewals++;
    this.#isRenewing = !answer && this.#renewals < RENEWALS;
    if (this.#isRenewing) this.#renewTimer = timers.setTimeout(() => this.#ask(), this.#backoff.next());
    else if (answer) this.#growTimer ||= this.#reopenIn(isFirst ? 0 : this.#backoff.next());
    else this.#end({ status: 401, reason: "signed_out" });
  }

  /**
   * One refused stream must not end the others.
   *
   * @type {(reason: string, status?: number) => Promise<void>}
   */
  async #probeEach(reason, status) {
    const statuses = new Map();
    for (const stream of this.#streams) {
      this.#post({ type: "wait", reason });
      statuses.set(stream, (await this.#options.probe(streamUrl({ ...this.#options, streams: [stream] }))).status);
      if (this.#ended || this.#connection !== null) return;
    }
    const refused = [...statuses].filter(([, answer]) => isRefusal(answer));
    if (refused.some(([, answer]) => answer === 401)) {
      this.#renew();
    } else if (refused.length === 0 && status === 400) {
      this.#end({ status, reason }); // refused only together
    } else {
      for (const [stream, answer] of refused) this.#refuse(stream, answer);
      const delay = refused.length > 0 ? 0 : this.#backoff.next();
      this.#growTimer ||= this.#reopenIn(delay);
    }
  }

  /** @type {(stream: string, status: number) => void} */
  #refuse(stream, status) {
    this.#retain((want) => want.stream !== stream);
    this.#post({ type: "refused", stream, status, reason: reasonOf(status) });
  }

  /** @param {{status?: number, reason: string}} closing */
  #end(closing) {
    this.#renewals = 0;
    this.#retain(() => false);
    this.#streams = [];
    this.#post({ type: "ended", ...closing });
  }

  /** @param {(want: Want) => boolean} isKept */
  #retain(isKept) {
    for (const [tab, wants] of this.#wants) {
      const kept = wants.filter(isKept);
      if (kept.length > 0) this.#wants.set(tab, kept);
      else this.#wants.delete(tab);
    }
  }
}
