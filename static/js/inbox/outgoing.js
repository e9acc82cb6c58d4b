/** Messages on their way: shown until the stream brings their `client_id`. */

/** @import { ActionError } from "../connector/connector" */
/** @import { Session } from "./session.js" */
/** @import { OutgoingMessage, Page, Part } from "./types" */

import { byId, clone, find, findAll } from "./dom.js";
import { uuid } from "./uuid.js";

/** @implements {Part} */
export class Outgoing {
  #page;
  #list = byId("sending");
  #store;
  /** @type {Map<string, {message: OutgoingMessage, element: HTMLElement}>} by `client_id` */
  #unsettled = new Map();
  #queue = Promise.resolve(); // so that they arrive in order

  /** @param {Page} page */
  constructor(page) {
    this.#page = page;
    this.#store = new Store(`rtapp.sending.${page.user}.${page.conversation}`);
    for (const message of this.#store.read()) {
      show(this.#add(message), "failed", "Not sent", "The page was left before this was sent.");
    }
    this.changed(findAll(document, "#messages > [data-client-id]"));
  }

  /** @type {(content: string, isPrivate: boolean) => void} */
  send(content, isPrivate) {
    const message = { content, private: isPrivate, client_id: uuid() };
    const element = this.#add(message);
    this.#save();
    this.#attempt(message, element);
  }

  /** @param {HTMLElement[]} arrived */
  changed(arrived) {
    for (const { dataset } of arrived) {
      if (dataset.clientId && dataset.sender === `user:${this.#page.user}`) this.#drop(dataset.clientId);
    }
  }

  /** @param {OutgoingMessage} message */
  #add(message) {
    const element = bubble(message);
    find(element, "[data-retry]").addEventListener("click", () => this.#attempt(message, element));
    find(element, "[data-discard]").addEventListener("click", () => this.#drop(message.client_id));
    this.#unsettled.set(message.client_id, { message, element });
    this.#list.append(element);
    return element;
  }

  /** @type {(message: OutgoingMessage, element: HTMLElement) => void} */
  #attempt(message, element) {
    show(element, "sending", "Sending…");
    this.#queue = this.#queue.then(async () => {
      try {
        await this.#page.connector.perform(`conversation:${this.#page.conversation}`, "messages", message);
        show(element, "sent", this.#page.isLive() ? "Sent" : "Sent. It takes its place when the connection is back.");
      } catch (error) {
        show(element, "failed", "Not sent", reasonOf(/** @type {ActionError} */ (error), this.#page.session));
      }
    });
  }

  /** @param {string} id */
  #drop(id) {
    this.#unsettled.get(id)?.element.remove();
    this.#unsettled.delete(id);
    this.#save();
  }

  #save() {
    this.#store.write([...this.#unsettled.values()].map(({ message }) => message));
  }
}

/** @param {OutgoingMessage} message */
function bubble({ content, private: isPrivate }) {
  const element = clone(byId("sending-message"));
  element.dataset.private = String(isPrivate);
  find(element, ".chip").hidden = !isPrivate;
  find(element, ".content").textContent = content;
  return element;
}

/** @type {(element: HTMLElement, state: string, text: string, why?: string) => void} */
function show(element, state, text, why = "") {
  element.dataset.state = state;
  find(element, "[data-state]").textContent = text;
  find(element, ".failure").hidden = state !== "failed";
  find(element, "[data-why]").textContent = why;
}

/** @type {(error: ActionError, session: Session) => string} */
function reasonOf({ status, message }, session) {
  if (status === 0) return "No answer from the server. Sent again, it arrives once.";
  if (status === 401) return session.problem;
  return message;
}

/** Survives a reload. */
class Store {
  #key;

  /** @param {string} key */
  constructor(key) {
    this.#key = key;
  }

  /** @returns {OutgoingMessage[]} */
  read() {
    try {
      return JSON.parse(sessionStorage.getItem(this.#key) ?? "null") ?? [];
    } catch {
      return [];
    }
  }

  /** @param {OutgoingMessage[]} messages */
  write(messages) {
    try {
      if (messages.length > 0) sessionStorage.setItem(this.#key, JSON.stringify(messages));
      else sessionStorage.removeItem(this.#key);
    } catch {
      // They last as long as the page.
    }
  }
}
