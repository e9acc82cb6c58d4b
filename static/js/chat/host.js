/** Where the chat is: in a frame of a website, or alone on its page. Both speak as types.d.ts has it. */

/** @import { FromHost, Host, Settings, ToHost } from "./types" */
/** @import { Storage } from "./storage.js" */

/** @implements {Host} */
export class Frame {
  isFrame = true;
  #origins;
  /** @type {MessagePort | null} */
  #port = null;

  /** @param {Settings} settings */
  constructor({ origins }) {
    this.#origins = origins;
  }

  /** @param {(message: FromHost) => void} receive */
  start(receive) {
    addEventListener("message", ({ data, origin, ports: [port], source }) => {
      const isOurs = source === parent && this.#origins.includes(origin) && data?.rtapp === "session";
      if (!isOurs || !port || this.#port) return;
      this.#port = port;
      port.onmessage = ({ data }) => receive(data);
    });
    // A browser delivers it to the parent's origin alone, and complains about each other one.
    const { ancestorOrigins } = location;
    const isParent = (/** @type {string} */ origin) => !ancestorOrigins?.length || ancestorOrigins[0] === origin;
    for (const origin of this.#origins.filter(isParent)) parent.postMessage({ rtapp: "hello" }, origin);
  }

  /** @param {ToHost} message */
  post(message) {
    this.#port?.postMessage(message);
  }
}

/** @implements {Host} */
export class Page {
  isFrame = false;
  #storage;

  /** @param {Storage} storage */
  constructor(storage) {
    this.#storage = storage;
  }

  /** @param {(message: FromHost) => void} receive */
  start(receive) {
    const language = new URLSearchParams(location.search).get("lang") ?? "";
    receive({ type: "session", token: this.#storage.get(""), language, open: true });
  }

  /** @param {ToHost} message */
  post(message) {
    if (message.type === "token") this.#storage.set("", message.token);
  }
}
