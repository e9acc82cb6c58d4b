/** @import { Callbacks, Connector, Subscription } from "../connector/connector" */

/** The page's subscriptions. They end with the session, and go on once its user is signed in again. */
export class Streams {
  #connector;
  #callbacks;
  /** @type {Subscription[]} */
  #subscriptions = [];
  #isOpen = false;

  /**
   * @param {Connector} connector
   * @param {Record<string, Callbacks>} callbacks  by stream
   */
  constructor(connector, callbacks) {
    this.#connector = connector;
    this.#callbacks = callbacks;
  }

  get isOpen() {
    return this.#isOpen;
  }

  open() {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#subscriptions = Object.entries(this.#callbacks).map(([stream, callbacks], i) =>
      this.#connector.subscribe(stream, callbacks, { cursor: this.#subscriptions[i]?.cursor }),
    );
  }

  close() {
    this.#isOpen = false;
    this.#subscriptions.forEach((subscription) => subscription.unsubscribe());
  }
}
