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
      const { id, version } = message;
      const known = this.#messages.get(id);
      const isNewer = !known || known.version < version || known.truncated;
      if (isNewer) this.#messages.set(id, this.#deleted.has(id) ? emptied(message) : message);
    }
  }

  /** The newest page, after what was missed: earlier ones may have changed. @type {(messages: Message[], before: number | null) => void} */
  renew(messages, before) {
    for (const id of this.#messages.keys()) if (id < (messages[0]?.id ?? 0)) this.#messages.delete(id);
    this.add(...messages);
    this.before = before;
    this.isLoaded = true;
  }

  /** @param {Message} message */
  change(message) {
    if (this.#messages.has(message.id)) this.add(message);
  }

  /** It keeps its place. @param {number} id */
  delete(id) {
    this.#deleted.add(id);
    const known = this.#messages.get(id);
    if (known) this.#messages.set(id, emptied(known));
  }
}

/** @param {Message} message */
function emptied(message) {
  return { ...message, content: "", attachments: [] };
}
