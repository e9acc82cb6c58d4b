/**
 * The subscriptions of one tab. A follower drops what a subscription already has: so a connection may begin earlier than
 * the tab needs.
 */

/** @import { FollowerMessage, FromLeader, Handlers, Subscription } from "./types" */

import { CALLBACKS } from "./catalogue.js";
import { compare, isCovered } from "./cursor.js";

const TURBO_STREAM = /^\s*<turbo-stream\b[^>]*?\sdata-stream="([a-z]+:\d+)"/;

export class Follower {
  /** @type {Set<Subscription>} */
  #subscriptions = new Set();
  #send;
  #term = 0; // of the leader
  #isWantQueued = false;

  /** @param {(message: FollowerMessage) => void} send  to the leader */
  constructor(send) {
    this.#send = send;
  }

  get term() {
    return this.#term;
  }

  get streams() {
    return [...new Set([...this.#subscriptions].map(({ stream }) => stream))];
  }

  /** @param {Subscription} subscription */
  add(subscription) {
    subscription.joined = false;
    subscription.state = "connecting";
    this.#subscriptions.add(subscription);
    this.#queueWant();
  }

  /** @param {Subscription} subscription */
  remove(subscription) {
    if (this.#subscriptions.delete(subscription)) this.#queueWant();
  }

  want() {
    const streams = [...this.#subscriptions].map(({ stream, cursor, joined }) => ({ stream, cursor, joined }));
    this.#send({ type: "want", streams });
  }

  /** @param {string} reason */
  interrupt(reason) {
    this.#subscriptions.forEach((subscription) => interrupt(subscription, reason));
  }

  leave() {
    this.#term = 0;
    this.#unjoin();
  }

  /**
   * Messages of a replaced leader, which may not have noticed, are ignored.
   *
   * @param {FromLeader} message
   */
  receive(message) {
    if (message.term < this.#term) return;
    if (message.term > this.#term) {
      this.#term = message.term;
      this.#unjoin();
      this.#queueWant();
    }
    /** @type {any} */ (this.#handlers[message.type])?.(message);
  }

  /** @type {Handlers<FromLeader>} */
  #handlers = {
    open: (message) => this.#opened(message),
    event: ({ name, data, id }) => this.#dispatch(name, data, id),
    ping: ({ id, lag }) => {
      const joined = this.#joined();
      joined.forEach((subscription) => advance(subscription, id));
      joined.forEach((subscription) => call(subscription, "onPing", { lag }));
    },
    reset: ({ id, reason }) => this.#joined().forEach((subscription) => reset(subscription, id, reason)),
    wait: ({ reason }) => {
      if (reason !== undefined) this.interrupt(reason);
    },
    refused: ({ stream, status, reason }) => this.#end((subscription) => subscription.stream === stream, status, reason),
    ended: ({ status, reason }) => this.#end(() => true, status, reason),
  };

  /**
   * A subscription at or after `from` has joined. Those that a page makes together join together, for one order of events.
   *
   * @param {Extract<FromLeader, {type: "open"}>} message
   */
  #opened({ from, streams, resumed, id, delayed }) {
    /** @param {Subscription} subscription */
    const isServed = ({ stream, cursor }) => streams.includes(stream) && !(compare(from, cursor) > 0);
    const together = [...this.#subscriptions].every(isServed);
    for (const subscription of this.#subscriptions) {
      subscription.joined = together || (subscription.joined && isServed(subscription));
      if (!subscription.joined) {
        this.#queueWant();
        continue;
      }
      if (subscription.cursor === "") subscription.cursor = from;
      else if (Number.isNaN(compare(from, subscription.cursor))) reset(subscription, from, "unknown_cursor");
      if (resumed) advance(subscription, id);
      if (subscription.state !== "live" || subscription.isDelayed !== delayed) {
        subscription.state = "live";
        subscription.isDelayed = delayed;
        call(subscription, "onConnected", { resumed, delayed });
      }
    }
  }

  /** @type {(name: string, data: string, id: string) => void} */
  #dispatch(name, data, id) {
    const behind = this.#joined().filter(({ cursor }) => !id || !isCovered(id, cursor));
    if (behind.length === 0) return;
    behind.forEach((subscription) => advance(subscription, id));
    const { stream, callback, values } = parse(name, data, id);
    for (const subscription of behind) {
      if (stream === undefined || stream === subscription.stream) call(subscription, callback, ...values);
    }
  }

  #joined() {
    return [...this.#subscriptions].filter(({ joined }) => joined);
  }

  #unjoin() {
    for (const subscription of this.#subscriptions) subscription.joined = false;
  }

  /** @type {(isConcerned: (subscription: Subscription) => boolean, status: number | undefined, reason: string) => void} */
  #end(isConcerned, status, reason) {
    const ended = [...this.#subscriptions].filter(isConcerned);
    ended.forEach((subscription) => this.#subscriptions.delete(subscription));
    for (const subscription of ended) {
      if (status !== undefined) call(subscription, "onRejected", { status, reason });
      call(subscription, "onClosed", { status, reason });
    }
  }

  /** One for all changes of a turn. */
  #queueWant() {
    if (this.#isWantQueued) return;
    this.#isWantQueued = true;
    queueMicrotask(() => {
      this.#isWantQueued = false;
      this.want();
    });
  }
}

/** @type {(name: string, data: string, id: string) => {stream?: string, callback: string, values: unknown[]}} */
function parse(name, data, id) {
  const callback = CALLBACKS[name];
  if (callback === undefined) {
    const stream = TURBO_STREAM.exec(data)?.[1];
    return { stream, callback: "onFragment", values: [data, { id, stream }] };
  }
  const envelope = parseJson(data);
  if (envelope?.event !== name) return { callback, values: [data, { id, event: name }] }; // an HTML fragment
  const { data: fields, ...meta } = envelope;
  return { stream: meta.stream, callback, values: [fields, { id, ...meta }] };
}

/** @param {string} text */
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @type {(subscription: Subscription, id: string) => void} */
function advance(subscription, id) {
  if (id && !isCovered(id, subscription.cursor)) subscription.cursor = id;
}

/** @type {(subscription: Subscription, cursor: string, reason?: string) => void} */
function reset(subscription, cursor, reason) {
  subscription.cursor = cursor;
  call(subscription, "onReset", { reason });
}

/** @type {(subscription: Subscription, reason: string) => void} */
function interrupt(subscription, reason) {
  if (subscription.state === "interrupted") return;
  subscription.state = "interrupted";
  call(subscription, "onDisconnected", { reason });
}

/**
 * An exception in one callback must not disturb others.
 *
 * @type {(subscription: Subscription, name: string, ...values: unknown[]) => void}
 */
function call({ callbacks }, name, ...values) {
  try {
    /** @type {any} */ (callbacks)[name]?.(...values);
  } catch (error) {
    (globalThis.reportError ?? console.error)(error);
  }
}
