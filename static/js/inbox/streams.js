/** @import { Callbacks, Connector, Subscription } from "../connector/connector" */

/** The page's subscriptions. They end with the session, and go on once its user is signed in again. */
export class Streams {
  #connector;
  /** @type {Map<string, {callbacks: Callbacks, cursor?: string, subscription: Subscription | null}>} */
  #streams = new Map();
  #isOpen = true;

  /** @param {Connector} connector */
  constructor(connector) {
    this.#connector = connector;
  }

  get isOpen() {
    return this.#isOpen;
  }

  /** @type {(stream: string, callbacks: Callbacks, cursor?: string) => void} `cursor`: the connector's by default */
  add(stream, callbacks, cursor) {
    const subscription = this.#isOpen ? this.#connector.subscribe(stream, callbacks, { cursor }) : null;
    this.#streams.set(stream, { callbacks, cursor, subscription });
  }

  /** @param {string} stream */
  remove(stream) {
    this.#streams.get(stream)?.subscription?.unsubscribe();
    this.#streams.delete(stream);
  }

  open() {
    if (this.#isOpen) return;
    this.#isOpen = true;
    for (const [stream, { callbacks, cursor }] of this.#streams) this.add(stream, callbacks, cursor);
  }

  close() {
    this.#isOpen = false;
    for (const kept of this.#streams.values()) {
      if (kept.subscription === null) continue;
      kept.cursor = kept.subscription.cursor;
      kept.subscription.unsubscribe();
      kept.subscription = null;
    }
  }
}
