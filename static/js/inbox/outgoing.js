/** Messages on their way, below the thread: shown until the stream brings their `client_id`. */

/** @import { OpenConversation, Part, UnsentMessage } from "./types" */

import { byId, clone, find, findAll } from "./dom.js";

/** @implements {Part} */
export class Outgoing {
  #page;
  #list = byId("sending");
  /** @type {Map<string, HTMLElement>} by `client_id` */
  #bubbles = new Map();

  /** @param {OpenConversation} page */
  constructor(page) {
    this.#page = page;
    for (const message of page.unsent.of(page.conversation)) this.#update(message, message.why ? "failed" : "sending");
    page.unsent.listen((message, state) => {
      if (message.conversation === page.conversation) this.#update(message, state);
    }, page.closed);
    this.changed(findAll(document, "#messages > [data-client-id]"));
  }

  /** @param {HTMLElement[]} arrived */
  changed(arrived) {
    for (const { dataset } of arrived) {
      if (!dataset.clientId || dataset.sender !== `user:${this.#page.user}`) continue;
      this.#remove(dataset.clientId);
      this.#page.unsent.drop(dataset.clientId);
    }
  }

  /** @type {(message: UnsentMessage, state: string) => void} */
  #update(message, state) {
    if (state === "gone") return this.#remove(message.client_id);
    if (state === "sent" && !this.#bubbles.has(message.client_id)) return; // the stream was faster than the answer
    const bubble = this.#bubbles.get(message.client_id) ?? this.#add(message);
    if (state === "sent") show(bubble, "sent", this.#page.isLive() ? "Sent" : "Sent. It takes its place when the connection is back.");
    else if (state === "failed") show(bubble, "failed", "Not sent", this.#reason(message));
    else show(bubble, "sending", "Sending…");
  }

  /** @param {UnsentMessage} message */
  #reason({ status, why = "", refused }) {
    if (status === 401) return this.#page.session.problem;
    if (refused) return why;
    return `${status ? why : "No answer from the server."} It is kept, and sent when the connection is back.`;
  }

  /** @param {UnsentMessage} message */
  #add(message) {
    const element = clone(byId("sending-message"));
    element.dataset.private = String(message.private);
    find(element, ".chip").hidden = !message.private;
    find(element, ".content").textContent = message.content || (message.files ?? "");
    find(element, "[data-retry]").addEventListener("click", () => this.#page.unsent.retry(message));
    find(element, "[data-discard]").addEventListener("click", () => this.#page.unsent.drop(message.client_id));
    this.#bubbles.set(message.client_id, element);
    this.#list.append(element);
    return element;
  }

  /** @param {string} clientId */
  #remove(clientId) {
    this.#bubbles.get(clientId)?.remove();
    this.#bubbles.delete(clientId);
  }
}

/** @type {(element: HTMLElement, state: string, text: string, why?: string) => void} */
function show(element, state, text, why = "") {
  element.dataset.state = state;
  find(element, "[data-state]").textContent = text;
  find(element, ".failure").hidden = state !== "failed";
  find(element, "[data-why]").textContent = why;
}
