/**
 * Messages that the server has not confirmed. They are kept through reloads, and sent in their order; by the `client_id`, one
 * that is sent twice arrives once.
 */

/** @import { Storage } from "./storage.js" */
/** @import { Unsent } from "./types" */

import { ActionError } from "../connector/perform.js";
import { isTemporary } from "./request.js";

const NAME = ".unsent.";
const FIRST_DELAY = 2_000; // ms
const LONGEST_DELAY = 60_000; // ms

export class Outbox {
  #storage;
  #send;
  #changed;
  /** @type {Unsent[]} */
  #items = [];
  #isSending = false;
  #failures = 0;
  /** @type {any} */
  #timer = 0;

  /**
   * @param {Storage} storage
   * @param {(item: Unsent) => Promise<void>} send
   * @param {() => void} changed
   */
  constructor(storage, send, changed) {
    this.#storage = storage;
    this.#send = send;
    this.#changed = changed;
    for (const name of storage.names(NAME)) {
      const item = storage.get(name);
      if (item) this.#items.push({ ...item, again: 0 });
    }
    this.#items.sort((one, other) => one.at - other.at);
  }

  /** @type {(conversation: number | null) => Unsent[]} */
  of(conversation) {
    return this.#items.filter((item) => item.conversation === conversation);
  }

  /** @param {Omit<Unsent, "client_id" | "at">} message */
  add(message) {
    const client_id = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("-");
    const item = { client_id, at: Date.now(), ...message };
    this.#items.push(item);
    this.#keep(item);
    this.#changed();
    this.run();
  }

  /** The conversation of these is another one now, or none. `refused`: they wait to be tried again. @type {(items: Unsent[], conversation: number | null, refused?: boolean) => void} */
  move(items, conversation, refused = false) {
    for (const item of items) {
      item.conversation = conversation;
      item.refused ||= refused;
      this.#keep(item);
    }
  }

  get all() {
    return this.#items;
  }

  /** @param {Unsent} item */
  retry(item) {
    for (const each of this.#withIt(item)) each.refused = false;
    this.run();
  }

  /** It has arrived, or is discarded. @param {string | null} client_id */
  drop(client_id) {
    const count = this.#items.length;
    this.#items = this.#items.filter((each) => each.client_id !== client_id);
    if (this.#items.length === count) return;
    this.#storage.set(NAME + client_id, null);
    this.#changed();
  }

  clear() {
    clearTimeout(this.#timer);
    this.#items.forEach(({ client_id }) => this.drop(client_id));
  }

  async run() {
    clearTimeout(this.#timer);
    if (this.#isSending) return;
    this.#isSending = true;
    try {
      await inTurn("rtapp.chat.outbox", () => this.#sendAll());
    } finally {
      this.#isSending = false;
    }
  }

  async #sendAll() {
    for (let item; (item = this.#items.find(({ refused }) => !refused)); ) {
      const kept = this.#storage.get(NAME + item.client_id); // another tab may have sent it
      if (!kept) this.drop(item.client_id);
      else if (!(await this.#attempt(Object.assign(item, { conversation: kept.conversation })))) return;
    }
  }

  /** Whether to go on with the next one. @param {Unsent} item */
  async #attempt(item) {
    item.again = 0;
    item.status = undefined;
    this.#changed();
    try {
      await this.#send(item);
      this.#failures = 0;
      this.drop(item.client_id);
      return true;
    } catch (error) {
      if (!(error instanceof ActionError)) throw error;
      const { status, retryAfter } = error;
      const isOver = !isTemporary(status);
      for (const each of isOver ? this.#withIt(item) : [item]) {
        Object.assign(each, { status, refused: isOver });
        this.#keep(each);
      }
      if (!isOver) {
        const delay = retryAfter ?? Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#failures++);
        item.again = Date.now() + delay;
        this.#timer = setTimeout(() => this.run(), delay);
      }
      this.#changed();
      return isOver;
    }
  }

  /** Without its first message, a conversation does not begin. @param {Unsent} item */
  #withIt(item) {
    return item.conversation === null ? this.of(null) : [item];
  }

  /** @param {Unsent} item */
  #keep(item) {
    if (this.#items.includes(item)) this.#storage.set(NAME + item.client_id, item);
  }
}

/**
 * One tab at a time, where the browser has locks: not without HTTPS, and not in a frame that it denies storage. The server
 * takes a `client_id` once in any case.
 *
 * @type {(name: string, run: () => Promise<void>) => Promise<void>}
 */
async function inTurn(name, run) {
  let isGranted = false;
  const granted = () => {
    isGranted = true;
    return run();
  };
  try {
    await navigator.locks.request(name, granted);
  } catch (error) {
    if (isGranted) throw error;
    await run();
  }
}
