/**
 * Messages that the server has not confirmed. They are kept in the browser through reloads and closed tabs, and sent when the
 * connection is back; by their `client_id`, one that is sent twice arrives once.
 */

/** @import { ActionError } from "../connector/connector" */
/** @import { Environment, Perform, UnsentMessage } from "./types" */

import { Backoff } from "../connector/backoff.js";
import { randomId } from "./random_id.js";

const MAX_AGE = 86_400_000; // ms; an older one waits for its author
const FIRST_DELAY = 5_000; // ms
const REFUSED = new Set([400, 403, 404, 409, 410, 413, 415, 422]); // a repetition would be refused as well

export class Unsent {
  #storage;
  #prefix;
  #perform;
  #timers;
  #locks;
  /** @type {Map<string, UnsentMessage>} by `client_id`, also if the storage is forbidden */
  #messages = new Map();
  /** @type {Set<(message: UnsentMessage, state: "added" | "sending" | "sent" | "failed" | "gone") => void>} */
  #listeners = new Set();
  #queue = Promise.resolve(); // so that they arrive in order
  /** @type {Set<string>} in the queue, by `client_id` */
  #queued = new Set();
  #backoff = new Backoff({ firstDelay: FIRST_DELAY });
  /** @type {any} */
  #timer = 0;

  /**
   * @param {Storage} storage  may throw
   * @param {string} user
   * @param {Perform} perform  an action
   * @param {Environment} [environment]
   */
  constructor(storage, user, perform, { timers = globalThis, events = globalThis, locks = globalThis.navigator?.locks } = {}) {
    this.#storage = storage;
    this.#prefix = `rtapp.unsent.${user}.`;
    this.#perform = perform;
    this.#timers = timers;
    this.#locks = locks;
    this.#read();
    events.addEventListener?.("storage", (event) => this.#stored(/** @type {StorageEvent} */ (event)));
    events.addEventListener?.("online", () => this.#sendAll());
    this.#sendAll();
  }

  /** @type {(conversation: string) => UnsentMessage[]} oldest first */
  of(conversation) {
    return this.#all().filter((message) => message.conversation === conversation);
  }

  get isEmpty() {
    return this.#messages.size === 0;
  }

  /** @type {(conversation: string, content: string, isPrivate: boolean, files?: Partial<UnsentMessage>) => void} */
  send(conversation, content, isPrivate, files) {
    const message = { ...files, conversation, content, private: isPrivate, client_id: randomId(), at: Date.now() };
    this.#keep(message);
    this.#notify(message, "added");
    this.#attempt(message);
  }

  /** @param {UnsentMessage} message */
  retry(message) {
    this.#attempt(message, true);
  }

  /** The stream has brought it, or its author discards it. @param {string} clientId */
  drop(clientId) {
    const message = this.#messages.get(clientId);
    if (!message) return;
    this.#forget(message);
    this.#notify(message, "gone");
  }

  /** At sign-out. */
  clear() {
    this.#all().forEach(({ client_id }) => this.drop(client_id));
  }

  /** @type {(listener: (message: UnsentMessage, state: string) => void, signal?: AbortSignal) => void} */
  listen(listener, signal) {
    this.#listeners.add(listener);
    signal?.addEventListener("abort", () => this.#listeners.delete(listener));
  }

  connected() {
    this.#sendAll();
  }

  #all() {
    return [...this.#messages.values()].sort((one, other) => one.at - other.at);
  }

  #sendAll() {
    for (const message of this.#all()) {
      const isDue = !message.refused && Date.now() - message.at < MAX_AGE;
      if (isDue) this.#attempt(message);
    }
  }

  /** @type {(message: UnsentMessage, isAsked?: boolean) => void} */
  #attempt(message, isAsked = false) {
    const { client_id } = message;
    if (isAsked) this.#notify(message, "sending");
    else if (this.#queued.has(client_id)) return;
    this.#queued.add(client_id);
    const send = () => this.#exclusively(() => this.#post(message, isAsked));
    this.#queue = this.#queue.then(send).finally(() => this.#queued.delete(client_id));
  }

  /** @type {(message: UnsentMessage, isAsked: boolean) => Promise<void>} */
  async #post(message, isAsked) {
    const { conversation, content, private: isPrivate, client_id, refused, attachments } = message;
    if (!this.#messages.has(client_id)) return; // another attempt or tab has sent it
    if (refused && !isAsked) return;
    this.#notify(message, "sending");
    try {
      await this.#perform(`conversation:${conversation}`, "messages", { content, private: isPrivate, client_id, attachments });
      this.#forget(message);
      this.#notify(message, "sent");
      this.#backoff = new Backoff({ firstDelay: FIRST_DELAY });
    } catch (error) {
      const { status, message: why } = /** @type {ActionError} */ (error);
      Object.assign(message, { status, why, refused: REFUSED.has(status) });
      if (!this.#messages.has(client_id)) return;
      this.#keep(message);
      this.#notify(message, "failed");
      if (!message.refused) this.#sendLater();
    }
  }

  #sendLater() {
    this.#timers.clearTimeout(this.#timer);
    this.#timer = this.#timers.setTimeout(() => this.#sendAll(), this.#backoff.next());
  }

  /** @type {(message: UnsentMessage, state: "added" | "sending" | "sent" | "failed" | "gone") => void} */
  #notify(message, state) {
    this.#listeners.forEach((listener) => listener(message, state));
  }

  /** One tab after the other. @type {(send: () => Promise<void>) => Promise<void>} */
  async #exclusively(send) {
    if (this.#locks) await this.#locks.request("rtapp sending", send);
    else await send();
  }

  // Storage: a key for each message, so that tabs do not overwrite one another's

  #read() {
    try {
      for (const key of Object.keys(this.#storage)) {
        if (key.startsWith(this.#prefix)) this.#take(this.#storage.getItem(key));
      }
    } catch {
      // Forbidden: they last as long as the page.
    }
  }

  /** @param {string | null} stored */
  #take(stored) {
    try {
      const message = JSON.parse(stored ?? "null");
      if (message?.client_id) this.#messages.set(message.client_id, message);
      return /** @type {UnsentMessage | null} */ (message);
    } catch {
      return null;
    }
  }

  /** @param {StorageEvent} event */
  #stored({ key, newValue }) {
    if (!key?.startsWith(this.#prefix)) return;
    const known = this.#messages.get(key.slice(this.#prefix.length));
    if (newValue === null && known) {
      this.#messages.delete(known.client_id);
      this.#notify(known, "gone");
    } else if (newValue !== null && !known) {
      const message = this.#take(newValue);
      if (message) this.#notify(message, "added");
    }
  }

  /** @param {UnsentMessage} message */
  #keep(message) {
    this.#messages.set(message.client_id, message);
    try {
      this.#storage.setItem(this.#prefix + message.client_id, JSON.stringify(message));
    } catch {
      // As in #read.
    }
  }

  /** @param {UnsentMessage} message */
  #forget({ client_id }) {
    this.#messages.delete(client_id);
    try {
      this.#storage.removeItem(this.#prefix + client_id);
    } catch {
      // As in #read.
    }
  }
}
