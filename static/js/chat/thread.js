/** @import { Message } from "./types" */

/** The messages of a conversation that are loaded: the newest ones, without a gap. */
export class Thread {
  /** @type {Map<number, Message>} */
  #messages = new Map();
  /** @type {Set<number>} deleted: an answer on its way may still have them */
  #deleted = new Set();
  isLoaded = false;
  /** @type {number | null} earlier ones are before this id */
  before = null;

  /** By id. */
  get messages() {
    return [...this.#messages.values()].sort((one, other) => one.id - other.id);
  }

  /** Adds messages, and replaces older versions. @param {Message[]} messages */
  add(...messages) {
    for (const message of messages) {
      const known = this.#messages.get(message.id);
      const isNewer = !known || known.version < message.version || known.truncated;
      if (isNewer && !this.#deleted.has(message.id)) this.#messages.set(message.id, message);
    }
  }

  /** @param {Message} message */
  change(message) {
    if (this.#messages.has(message.id)) this.add(message);
  }

  /** @param {number} id */
  delete(id) {
    this.#deleted.add(id);
    this.#messages.delete(id);
  }
}
