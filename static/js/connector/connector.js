/** Live streams for a page. connector.d.ts documents the interface, docs/connector.md shows its use. */

/** @import { Connector as PublicConnector } from "./connector" */
/** @import { ConnectorOptions, Transport } from "./types" */

import { Credentials } from "./credentials.js";
import { Follower } from "./follower.js";
import { MAX_STREAMS } from "./leader.js";
import { ActionError, actionUrl, post } from "./perform.js";
import { DirectTransport, SharedTransport, canShare } from "./transport.js";

export { ActionError };

/** @type {(options: ConnectorOptions) => PublicConnector} */
export function connect(options) {
  return new Connector(options);
}

/** @implements {PublicConnector} */
class Connector {
  #options;
  #follower;
  /** @type {Transport | null} */
  #transport = null;
  #isActive = true; // not frozen, and not in the back/forward cache
  #lifetime = new AbortController();

  /** @param {ConnectorOptions} options */
  constructor(options) {
    if ("token" in options) throw new TypeError("connect() of visitor.js takes a token.");
    const credentials = new Credentials(options);
    const defaults = { url: "/streams", kind: "user", format: /** @type {const} */ ("json"), cursor: "", credentials };
    this.#options = { ...defaults, ...options };
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
      this.#transport.join();
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
