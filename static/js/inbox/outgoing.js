/**
 * One's own messages on their way: shown at once, settled by their `client_id` when the stream brings them, and kept, with a
 * way to try again, when they could not be sent.
 */

import { uuid } from "./uuid.js";

export function startOutgoing(page) {
  const list = document.getElementById("sending");
  if (!list) return {};
  const store = new Store(`rtapp.sending.${page.user}.${page.conversation}`);
  const waiting = new Map(); // client_id → {message, element}
  let queue = Promise.resolve(); // one after the other, so that they arrive in the order in which they were written

  const drop = (id) => {
    waiting.get(id)?.element.remove();
    waiting.delete(id);
    store.write([...waiting.values()].map(({ message }) => message));
  };
  const attempt = (message) => {
    const entry = waiting.get(message.client_id);
    show(entry.element, "sending", "Sending…");
    queue = queue.then(async () => {
      try {
        await page.live.perform(`conversation:${page.conversation}`, "messages", message);
        show(entry.element, "sent", page.isLive() ? "Sent" : "Sent. It takes its place when the connection is back.");
      } catch (error) {
        show(entry.element, "failed", "Not sent", reason(error));
      }
    });
  };
  const add = (message) => {
    const element = bubble(message);
    element.querySelector("[data-retry]").addEventListener("click", () => attempt(message));
    element.querySelector("[data-discard]").addEventListener("click", () => drop(message.client_id));
    waiting.set(message.client_id, { message, element });
    list.append(element);
  };
  const settle = (arrived) => {
    for (const { dataset } of arrived) {
      if (dataset.clientId && dataset.sender === `user:${page.user}`) drop(dataset.clientId);
    }
  };

  for (const message of store.read()) {
    add(message);
    show(waiting.get(message.client_id).element, "failed", "Not sent", "The page was left before this was sent.");
  }
  settle(document.querySelectorAll("#messages > [data-client-id]"));
  return {
    send: (content, isPrivate) => {
      const message = { content, private: isPrivate, client_id: uuid() };
      add(message);
      store.write([...waiting.values()].map((entry) => entry.message));
      attempt(message);
    },
    changed: settle,
  };
}

function bubble({ content, private: isPrivate }) {
  const element = document.getElementById("sending-message").content.firstElementChild.cloneNode(true);
  element.dataset.private = String(isPrivate);
  element.querySelector(".chip").hidden = !isPrivate;
  element.querySelector(".content").textContent = content;
  return element;
}

function show(element, state, text, why = "") {
  element.dataset.state = state;
  element.querySelector("[data-state]").textContent = text;
  element.querySelector(".failure").hidden = state !== "failed";
  element.querySelector("[data-why]").textContent = why;
}

function reason(error) {
  if (error.status === 0) return "No answer from the server. Sent again, it arrives once.";
  if (error.status === 401) return "You are signed out; sign in again in another tab.";
  return error.message;
}

/** A tab's own memory, which a reload does not clear. */
class Store {
  #key;

  constructor(key) {
    this.#key = key;
  }

  read() {
    try {
      return JSON.parse(sessionStorage.getItem(this.#key)) ?? [];
    } catch {
      return [];
    }
  }

  write(messages) {
    try {
      if (messages.length > 0) sessionStorage.setItem(this.#key, JSON.stringify(messages));
      else sessionStorage.removeItem(this.#key);
    } catch {
      // Then they last as long as the page.
    }
  }
}
