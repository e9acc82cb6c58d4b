/** @import { FetchSourceOptions } from "../types" */

import { EventParser } from "./event_parser.js";

const [CONNECTING, OPEN, CLOSED] = [0, 1, 2];
const RETRY = 3_000; // ms until the stream asks for another time; Chromium's
const LONGEST_RETRY = 2 ** 31 - 1; // ms; a longer timer would run at once

/**
 * A source with the interface of EventSource, over fetch: its requests have headers. `headers` is called for each of them.
 * It dispatches and reconnects as https://html.spec.whatwg.org/multipage/server-sent-events.html asks, but follows no redirect,
 * which would take the headers elsewhere.
 */
export class FetchSource extends EventTarget {
  #options;
  #readyState = CONNECTING;
  #lastEventId = "";
  #retry = RETRY;
  #request = new AbortController();
  /** @type {any} */
  #timer;

  /**
   * @param {string} url
   * @param {FetchSourceOptions} [options]
   */
  constructor(url, { headers = () => ({}), fetch = globalThis.fetch, timers = globalThis } = {}) {
    super();
    this.url = url;
    this.#options = { headers, fetch, timers };
    this.#connect();
  }

  get readyState() {
    return this.#readyState;
  }

  /** Dispatches no further event. */
  close() {
    this.#readyState = CLOSED;
    this.#request.abort();
    this.#options.timers.clearTimeout(this.#timer);
  }

  async #connect() {
    this.#request = new AbortController();
    try {
      await this.#receive(this.#request.signal);
    } catch {
      // The network: "reestablish the connection".
    }
    if (this.#isClosed()) return;
    this.#readyState = CONNECTING;
    this.dispatchEvent(new Event("error"));
    if (this.#isClosed()) return;
    this.#timer = this.#options.timers.setTimeout(() => this.#connect(), Math.min(this.#retry, LONGEST_RETRY));
  }

  #isClosed() {
    return this.#readyState === CLOSED;
  }

  /**
   * Returns at the end of the stream.
   *
   * @param {AbortSignal} signal
   */
  async #receive(signal) {
    const answer = await this.#open(signal);
    if (this.#isClosed()) return;
    if (answer.status !== 200 || !isEventStream(answer) || answer.body === null) return this.#fail();
    this.#readyState = OPEN;
    this.dispatchEvent(new Event("open"));
    const parser = new EventParser(this.#lastEventId);
    const reader = answer.body.getReader();
    while (!this.#isClosed()) {
      const { done, value } = await reader.read();
      if (done) return;
      this.#dispatch(parser, value);
    }
  }

  /** @param {AbortSignal} signal */
  #open(signal) {
    const { headers, fetch } = this.#options;
    return fetch(this.url, {
      headers: { Accept: "text/event-stream", ...headers(), ...resumption(this.#lastEventId) },
      cache: "no-store",
      credentials: "same-origin",
      redirect: "manual",
      signal,
    });
  }

  /** @type {(parser: EventParser, bytes: Uint8Array) => void} */
  #dispatch(parser, bytes) {
    for (const { type, data, lastEventId } of parser.feed(bytes)) {
      if (this.#isClosed()) return;
      this.#lastEventId = lastEventId;
      this.dispatchEvent(new MessageEvent(type, { data, lastEventId }));
    }
    this.#lastEventId = parser.lastEventId;
    this.#retry = parser.retry ?? this.#retry;
  }

  /** "Fail the connection": the source does not reconnect. */
  #fail() {
    this.close();
    this.dispatchEvent(new Event("error"));
  }
}

/** @param {Response} answer */
function isEventStream({ headers }) {
  return /^\s*text\/event-stream\s*(;|$)/i.test(headers.get("Content-Type") ?? "");
}

/**
 * "Encoded as UTF-8", of which fetch takes a character for each byte.
 *
 * @param {string} lastEventId
 * @returns {Record<string, string>}
 */
function resumption(lastEventId) {
  return lastEventId ? { "Last-Event-ID": String.fromCharCode(...new TextEncoder().encode(lastEventId)) } : {};
}
