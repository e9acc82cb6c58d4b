/**
 * What one tab listens to, and how far it has heard each of it. It is told by a leader (leader.js), its own or another
 * tab's, and decides for itself what is new to it: so it never matters that a connection begins earlier for others.
 */

import { CALLBACKS } from "./catalogue.js";
import { compare, isKnown } from "./cursor.js";

const TURBO_STREAM = /^\s*<turbo-stream\b[^>]*?\sdata-stream="([a-z]+:\d+)"/;

/**
 * @typedef {object} Subscription
 * @property {string} stream
 * @property {string} cursor       everything up to here has been heard, or was in the page
 * @property {object} callbacks    see connector.d.ts
 * @property {boolean} [joined]    whether the connection brings everything after the cursor
 * @property {string} [state]      "connecting", "live", "interrupted"
 */

export class Member {
  #subscriptions = new Set();
  #send;
  #term = 0; // of the leader that is listened to
  #asked = false;

  /** @param {(message: object) => void} send  to the leader, whoever it is */
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
    this.#ask();
  }

  /** @param {Subscription} subscription */
  remove(subscription) {
    if (this.#subscriptions.delete(subscription)) this.#ask();
  }

  /** Tells the leader what is wanted from where on. */
  want() {
    const streams = [...this.#subscriptions].map(({ stream, cursor, joined }) => ({ stream, cursor, joined }));
    this.#send({ type: "want", streams });
  }

  /** Hears nothing for now. */
  interrupt(reason) {
    this.#subscriptions.forEach((subscription) => interrupt(subscription, reason));
  }

  /** Begins again under whoever leads next. */
  leave() {
    this.#term = 0;
    this.#part();
  }

  /**
   * What a leader says. A leader that has been replaced, perhaps without knowing it, is not listened to: others may hear
   * more than it does.
   */
  hear(message) {
    if (message.term < this.#term) return;
    if (message.term > this.#term) {
      this.#term = message.term;
      this.#part();
      this.#ask();
    }
    this.#on[message.type]?.(message);
  }

  #on = {
    open: (message) => this.#opened(message),
    event: (message) => this.#event(message),
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
    over: ({ status, reason }) => this.#end(() => true, status, reason),
  };

  /**
   * The connection brings everything after `from`: whoever stands there or later has joined it. What a page subscribed to
   * together joins together, so that it hears all of it in one order.
   */
  #opened({ from, streams, resumed, id }) {
    const hasAll = ({ stream, cursor }) => streams.includes(stream) && !(compare(from, cursor) > 0);
    const together = [...this.#subscriptions].every(hasAll);
    for (const subscription of this.#subscriptions) {
      subscription.joined = together || (subscription.joined && hasAll(subscription));
      if (!subscription.joined) {
        this.#ask();
        continue;
      }
      if (subscription.cursor === "") subscription.cursor = from;
      else if (Number.isNaN(compare(from, subscription.cursor))) reset(subscription, from, "unknown_cursor");
      if (resumed) advance(subscription, id);
      if (subscription.state !== "live") {
        subscription.state = "live";
        call(subscription, "onConnected", { resumed });
      }
    }
  }

  #event({ name, data, id }) {
    const news = this.#joined().filter(({ cursor }) => !id || !isKnown(id, cursor));
    if (news.length === 0) return;
    news.forEach((subscription) => advance(subscription, id));
    const { stream, callback, values } = parsed(name, data, id);
    for (const subscription of news) {
      if (stream === undefined || stream === subscription.stream) call(subscription, callback, ...values);
    }
  }

  #joined() {
    return [...this.#subscriptions].filter(({ joined }) => joined);
  }

  #part() {
    for (const subscription of this.#subscriptions) subscription.joined = false;
  }

  #end(concerned, status, reason) {
    const ended = [...this.#subscriptions].filter(concerned);
    ended.forEach((subscription) => this.#subscriptions.delete(subscription));
    for (const subscription of ended) {
      if (status !== undefined) call(subscription, "onRejected", { status, reason });
      call(subscription, "onClosed", { status, reason });
    }
  }

  /** Once for all that changes in the same turn. */
  #ask() {
    if (this.#asked) return;
    this.#asked = true;
    queueMicrotask(() => {
      this.#asked = false;
      this.want();
    });
  }
}

/** Which stream an event is of (undefined: it does not say), which callback hears of it, and with what. */
function parsed(name, data, id) {
  const callback = CALLBACKS[name];
  if (callback === undefined) {
    const stream = TURBO_STREAM.exec(data)?.[1];
    return { stream, callback: "onFragment", values: [data, { id, stream }] };
  }
  const envelope = asJson(data);
  if (envelope?.event !== name) return { callback, values: [data, { id, event: name }] }; // an HTML fragment
  const { data: fields, ...meta } = envelope;
  return { stream: meta.stream, callback, values: [fields, { id, ...meta }] };
}

function asJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function advance(subscription, id) {
  if (id && !isKnown(id, subscription.cursor)) subscription.cursor = id;
}

function reset(subscription, cursor, reason) {
  subscription.cursor = cursor;
  call(subscription, "onReset", { reason });
}

function interrupt(subscription, reason) {
  if (subscription.state === "interrupted") return;
  subscription.state = "interrupted";
  call(subscription, "onDisconnected", { reason });
}

/** A page's mistake must not keep others, or other tabs, from hearing. */
function call({ callbacks }, name, ...values) {
  try {
    callbacks[name]?.(...values);
  } catch (error) {
    (globalThis.reportError ?? console.error)(error);
  }
}
