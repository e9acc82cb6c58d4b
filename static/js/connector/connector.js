/**
 * Live streams for a page, over one connection that all tabs of the browser share. docs/connector.md shows how it is used,
 * connector.d.ts what everything is.
 */

import { MOST } from "./leader.js";
import { Member } from "./follower.js";
import { ActionError, actionUrl, post } from "./perform.js";
import { Alone, Shared, canShare } from "./transport.js";

export { ActionError };

/** @param {import("./connector").ConnectOptions} options */
export function connect(options) {
  return new Connector(options);
}

class Connector {
  #options;
  #member;
  #group = null;
  #isHere = true; // not in the back/forward cache, not frozen
  #listening = new AbortController();

  constructor(options) {
    this.#options = { url: "/streams", format: "json", cursor: "", ...options };
    this.#member = new Member((message) => this.#group?.send(message));
    this.#listen(options.page ?? globalThis.window);
  }

  /**
   * Hears a stream from `cursor` on, by default where the page's own data ends.
   *
   * @param {string} stream
   * @param {import("./connector").Callbacks} callbacks
   */
  subscribe(stream, callbacks, { cursor = this.#options.cursor } = {}) {
    if (this.#listening.signal.aborted) throw new Error("This connector was disconnected; connect() again.");
    if (new Set([...this.#member.streams, stream]).size > MOST) throw new RangeError(`A page can hear ${MOST} streams at most.`);
    const subscription = { stream, cursor, callbacks };
    this.#member.add(subscription);
    if (this.#group === null && this.#isHere) this.#join();
    return {
      stream,
      get cursor() {
        return subscription.cursor;
      },
      unsubscribe: () => this.#member.remove(subscription),
      perform: (action, data) => this.perform(stream, action, data),
    };
  }

  /** Posts an action; see perform.js for what it answers, throws and repeats. */
  async perform(stream, action, data = {}) {
    const { csrf = csrfToken(), fetch } = this.#options;
    return post(actionUrl(stream, action), data, { csrf, fetch });
  }

  /** Ends every subscription; no callback is called any more. */
  disconnect() {
    this.#listening.abort();
    this.#leave();
    this.#member = new Member(() => {});
  }

  #join() {
    if (this.#isShared()) {
      const { url, user, account, format } = this.#options;
      const options = { ...this.#options, full: () => this.#joinAlone() };
      this.#group = new Shared(`rtapp ${url} ${user} ${account} ${format}`, options, this.#member);
      this.#group.join();
    } else {
      this.#joinAlone();
    }
  }

  #joinAlone() {
    this.#leave();
    this.#group = new Alone(this.#options, this.#member);
    this.#group.join();
  }

  /** Not without knowing for whom; and an HTML fragment does not say which stream it is of. */
  #isShared() {
    const { user, account, format, share = canShare() } = this.#options;
    return share && user !== undefined && account !== undefined && format !== "html";
  }

  #leave() {
    this.#group?.leave();
    this.#group = null;
    this.#member.leave();
  }

  /** An open connection or a lock keeps a page out of the back/forward cache, and a frozen leader leads nobody. */
  #listen(page) {
    const { signal } = this.#listening;
    const on = (target, names, handle) => names.forEach((name) => target?.addEventListener(name, handle, { signal }));
    const leave = () => {
      this.#isHere = false;
      this.#leave();
      this.#member.interrupt("away");
    };
    const join = () => {
      this.#isHere = true;
      if (this.#group === null && this.#member.streams.length > 0) this.#join();
    };
    on(page, ["pagehide"], leave);
    on(page, ["pageshow"], join);
    on(page, ["online"], () => this.#group?.send({ type: "retry" }));
    on(page?.document, ["freeze"], leave);
    on(page?.document, ["resume"], join);
    on(page?.document, ["visibilitychange"], () => this.#group?.send({ type: "wake" }));
  }
}

function csrfToken() {
  return globalThis.document?.querySelector('meta[name="csrf-token"]')?.content ?? "";
}
