/**
 * Live streams for a page, over one connection that all tabs of the browser share. docs/connector.md shows the use,
 * connector.d.ts declares the interface.
 */

/** @import { Callbacks, ConnectOptions, Connector as PublicConnector } from "./connector" */
/** @import { ConnectorOptions, Subscription, Transport } from "./types" */

import { Follower } from "./follower.js";
import { MAX_STREAMS } from "./leader.js";
import { ActionError, actionUrl, post } from "./perform.js";
import { DirectTransport, SharedTransport, canShare } from "./transport.js";

export { ActionError };

/** @type {(options: ConnectOptions) => PublicConnector} */
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
    this.#options = { url: "/streams", format: /** @type {const} */ ("json"), cursor: "", ...options };
    this.#follower = new Follower((message) => this.#transport?.send(message));
    this.#listen(options.page ?? globalThis.window);
  }

  /**
   * Subscribes to a stream from `cursor` on; by default, from where the page's own data ends.
   *
   * @param {string} stream
   * @param {Callbacks} callbacks
   */
  subscribe(stream, callbacks, { cursor = this.#options.cursor } = {}) {
    if (this.#lifetime.signal.aborted) throw new Error("This connector was disconnected; connect() again.");
    if (new Set([...this.#follower.streams, stream]).size > MAX_STREAMS) throw new RangeError(`A page can hear ${MAX_STREAMS} streams at most.`);
    /** @type {Subscription} */
    const subscription = { stream, cursor, callbacks };
    this.#follower.add(subscription);
    if (this.#transport === null && this.#isActive) this.#join();
    return {
      stream,
      get cursor() {
        return subscription.cursor;
      },
      unsubscribe: () => this.#follower.remove(subscription),
      /** @type {(action: string, data?: object) => Promise<any>} */
      perform: (action, data) => this.perform(stream, action, data),
    };
  }

  /**
   * Posts an action. perform.js has what it returns, throws and repeats.
   *
   * @type {PublicConnector["perform"]}
   */
  async perform(stream, action, data = {}) {
    const { csrf = csrfToken(), fetch } = this.#options;
    return post(actionUrl(stream, action), data, { csrf, fetch });
  }

  /** Ends every subscription. No callback is called afterwards. */
  disconnect() {
    this.#lifetime.abort();
    this.#leave();
    this.#follower = new Follower(() => {});
  }

  #join() {
    if (this.#isShared()) {
      const { url, user, account, format } = this.#options;
      const options = { ...this.#options, onFull: () => this.#joinDirectly() };
      this.#transport = new SharedTransport(`${url} ${user} ${account} ${format}`, options, this.#follower);
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

  /** Sharing needs a user and an account to share for, and events that name their stream: fragments in `html` do not. */
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
   * Leaves while the page is frozen, in which state it could not lead, and before the back/forward cache, which takes no
   * page with an open connection or a lock.
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

function csrfToken() {
  return globalThis.document?.querySelector('meta[name="csrf-token"]')?.getAttribute("content") ?? "";
}
