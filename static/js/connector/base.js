/** What the connectors of sessions and of visitors have in common. connector.d.ts documents the interface. */

/** @import { Connector as PublicConnector } from "./connector" */
/** @import { ConnectorOptions, Transport } from "./types" */

import { Follower } from "./follower.js";
import { MAX_STREAMS } from "./leader.js";
import { actionUrl, post } from "./perform.js";
import { DirectTransport, SharedTransport, canShare } from "./transport.js";

/** @implements {PublicConnector} */
export class Connector {
  #options;
  #follower;
  /** @type {Transport | null} */
  #transport = null;
  #isActive = true; // not frozen, and not in the back/forward cache
  #lifetime = new AbortController();

  /** @param {ConnectorOptions} options */
  constructor(options) {
    this.#options = { url: "/streams", kind: "user", format: /** @type {const} */ ("json"), cursor: "", ...options };
    this.#follower = new Follower((message) => this.#transport?.send(message));
    this.#listen(options.page ?? globalThis.window);
  }

  /** @type {PublicConnector["subscribe"]} */
  subscribe(stream, callbacks, { cursor = this.#options.cursor } = {}) {
    if (this.#lifetime.signal.aborted) throw new Error("This connector was disconnected; connect() again.");
    if (new Set([...this.#follower.streams, stream]).size > MAX_STREAMS) throw new RangeError(`A page can hear ${MAX_STREAMS} streams at most.`);
    const subscription = { stream, cursor, callbacks };
    this.#follower.add(subscription);
    if (this.#transport === null && this.#isActive) this.#join();
    return {
      stream,
      get cursor() {
        return subscription.cursor;
      },
      unsubscribe: () => this.#follower.remove(subscription),
      perform: (action, data) => this.perform(stream, action, data),
    };
  }

  /** @type {PublicConnector["perform"]} */
  async perform(stream, action, data = {}) {
    const { credentials, fetch } = this.#options;
    return post(actionUrl(stream, action), data, { credentials, fetch });
  }

  disconnect() {
    this.#lifetime.abort();
    this.#leave();
    this.#follower = new Follower(() => {});
  }

  #join() {
    if (this.#isShared()) {
      const { url, kind, user, account, format } = this.#options;
      const options = { ...this.#options, onFull: () => this.#joinDirectly() };
      this.#transport = new SharedTransport(`${url} ${kind} ${user} ${account} ${format}`, options, this.#follower);
      try {
        this.#transport.join();
      } catch {
        this.#joinDirectly(); // the browser denies locks or channels
      }
    } else {
      this.#joinDirectly();
    }
  }

  #joinDirectly() {
    this.#leave();
    this.#transport = new DirectTransport(this.#options, this.#follower);
    this.#transport.join();
  }

  /** Not in `html`, whose fragments do not name their stream. */
  #isShared() {
    const { user, account, format, share = canShare() } = this.#options;
    return share && user !== undefined && account !== undefined && format !== "html";
  }

  #leave() {
    this.#transport?.leave();
    this.#transport = null;
    this.#follower.leave();
  }

  /**
   * A frozen page can't lead, and the back/forward cache takes no page with an open connection or a lock.
   *
   * @param {Window | undefined} page
   */
  #listen(page) {
    const { signal } = this.#lifetime;
    /** @type {(target: EventTarget | undefined, name: string, handle: () => void) => void} */
    const on = (target, name, handle) => target?.addEventListener(name, handle, { signal });
    const leave = () => {
      this.#isActive = false;
      this.#leave();
      this.#follower.interrupt("away");
    };
    const join = () => {
      this.#isActive = true;
      if (this.#transport === null && this.#follower.streams.length > 0) this.#join();
    };
    on(page, "pagehide", leave);
    on(page, "pageshow", join);
    on(page, "online", () => this.#transport?.send({ type: "retry" }));
    on(page?.document, "freeze", leave);
    on(page?.document, "resume", join);
    on(page?.document, "visibilitychange", () => this.#transport?.send({ type: "wake" }));
  }
}
