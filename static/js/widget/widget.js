/**
 * The launcher of the chat on a foreign page: a button, and the chat in a frame of our origin.
 *
 * It shares the page with scripts that it does not know. What it calls later it takes from the
 * window as it starts, all listeners are added then, and it iterates over nothing: `for of`, spread
 * and destructuring of arrays call Array.prototype, which the page may have changed. It assigns no
 * HTML and no style attribute, which a Content-Security-Policy may forbid.
 */
(() => {
  /**
   * @typedef {import("./widget").RtappChat} RtappChat
   * @typedef {import("./widget").ChatEvents} ChatEvents
   * @typedef {import("./widget").ChatError} ChatError
   * @typedef {import("./widget").Contact} Contact
   * @typedef {import("./types").ToChat} ToChat
   * @typedef {import("./types").FromChat} FromChat
   * @typedef {{jwt?: string, resolve: (value?: any) => void, reject: (error: Error) => void}} Request
   */

  const HANDSHAKE = 20000; // ms from the frame's start until it must be ready
  const LOADED = 3000; // ms from its end of loading: a frame that is refused loads an error page
  const NARROW = "(max-width:480px),(max-height:420px)";

  const script = /** @type {HTMLScriptElement | null} */ (
    document.currentScript || document.querySelector('script[src*="/widget.js"][data-inbox]')
  );
  const key = script?.getAttribute("data-inbox") ?? "";
  const before = /** @type {any} */ (window.rtappChat);
  const stub = before && "push" in before ? before : null;
  if (!script || !/^[\w-]{1,64}$/.test(key)) {
    console.error('rtapp: the script needs data-inbox="KEY".');
    return;
  }
  if (before?.destroy && !stub) return; // included twice

  const origin = new URL(script.src).origin;
  const address = `${origin}/chat/${key}`;
  const stored = `rtapp.chat.${key}`;
  const given = script.getAttribute("data-accent") ?? "";
  const accent = /^#[0-9a-f]{6}$/i.test(given) ? given : "#1d4ed8";
  const language = script.getAttribute("data-lang") || document.documentElement.lang;
  const isGerman = /^de\b/i.test(language || navigator.language);
  const texts = isGerman
    ? {
        open: "Chat öffnen",
        close: "Chat schließen",
        unread: "ungelesen",
        failed: "Der Chat kann hier nicht geladen werden.",
        link: "In einem neuen Tab öffnen",
      }
    : {
        open: "Open chat",
        close: "Close chat",
        unread: "unread",
        failed: "The chat can’t be loaded here.",
        link: "Open it in a new tab",
      };

  const later = window.setTimeout;
  const cancel = window.clearTimeout;
  const idle = window.requestIdleCallback || later;
  const Promised = Promise;
  const Channel = MessageChannel;
  const ended = new AbortController();
  const watched = { childList: true };

  /**
   * @param {EventTarget | null | undefined} target
   * @param {string} type
   * @param {(event: any) => void} listener
   */
  const listen = (target, type, listener) =>
    target?.addEventListener(type, listener, { signal: ended.signal });

  /**
   * @param {() => any} call
   * @param {any} [otherwise] what is returned if it throws
   */
  const attempt = (call, otherwise) => {
    try {
      return call();
    } catch {
      return otherwise;
    }
  };

  /** A method of the storage. Where the browser denies it, the token is kept in memory. @param {string} name */
  const item = (name) =>
    attempt(
      () => /** @type {any} */ (localStorage)[name].bind(localStorage, stored),
      () => token,
    );
  const get = item("getItem");
  const set = item("setItem");
  const remove = item("removeItem");
  /** @type {() => string | null} */
  const kept = () => attempt(get, token);
  /** @param {string | null} value */
  const keep = (value) => attempt(() => (value === null ? remove() : set(value)));

  /** @type {string | null} */
  let token = null;
  let isOpen = false;
  let isWanted = false; // the frame is, from the first opening on
  let isReady = false;
  let hasFailed = false;
  let isGone = false;
  let wantsFocus = false;
  let unread = 0;
  let page = "";
  let prefix = ""; // of the page's title
  let requests = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {MessagePort | null} */
  let port = null;
  /** @type {Element | null} */
  let opener = null;
  /** What has identified the visitor on this page. @type {Parameters<RtappChat["identify"]>[0] | null} */
  let proof = null;
  /** @type {{jwt: string, contact: Contact} | null} */
  let identified = null;
  /** Requests to the chat without an answer, by their numbers. @type {Record<number, Request>} */
  const asked = Object.create(null);
  /** @type {Record<string, ((value: any) => void)[]>} */
  const callbacks = Object.create(null);

  // Elements

  /**
   * @template {keyof HTMLElementTagNameMap} Name
   * @param {Name} name
   * @param {Node} parent
   */
  const made = (name, parent) => parent.appendChild(document.createElement(name));

  const host = document.createElement("rtapp-chat");
  const root = host.attachShadow({ mode: "closed" });
  const frame = document.createElement("iframe");
  const box = made("div", root);
  const panel = made("div", box);
  const failure = made("p", panel);
  failure.textContent = texts.failed;
  const link = made("a", failure);
  const button = made("button", box);
  const drawn = (/** @type {Node} */ parent, /** @type {string} */ name) =>
    /** @type {Element} */ (
      parent.appendChild(document.createElementNS("http://www.w3.org/2000/svg", name))
    );
  const icon = drawn(button, "svg");
  const path = drawn(icon, "path");
  const badge = made("span", button);

  box.lang = isGerman ? "de" : "en";
  panel.setAttribute("role", "dialog");
  panel.setAttribute("aria-label", (frame.title = "Chat"));
  // Its pages take only frames that have no cookies or storage of their own. The chat needs none.
  if (window.crossOriginIsolated) /** @type {any} */ (frame).credentialless = true;
  failure.setAttribute("role", "alert");
  failure.hidden = true;
  link.href = address;
  link.target = "_blank";
  link.rel = "noopener";
  link.textContent = texts.link;
  button.type = "button";
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.setAttribute("aria-hidden", "true");

  /** @param {number} at the place in the colour */
  const channel = (at) => (parseInt(accent.slice(at, at + 2), 16) / 255) ** 2.2;
  // Near WCAG's relative luminance. The text has the colour with the higher contrast.
  const luminance = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
  const ink = luminance > 0.18 ? "#000" : "#fff";

  /** @param {Document | ShadowRoot} scope */
  const sheet = (scope) => {
    const made = new CSSStyleSheet();
    scope.adoptedStyleSheets[scope.adoptedStyleSheets.length] = made;
    return made;
  };

  sheet(root).replaceSync(`
:host{all:initial!important;position:fixed!important;z-index:2147483647!important;inset:auto!important;
display:block!important;font:16px/1.5 system-ui,sans-serif!important}
[hidden]{display:none!important}
button{position:fixed;inset-block-end:max(20px,env(safe-area-inset-bottom));inset-inline-end:20px;
inline-size:56px;block-size:56px;padding:14px;border:0;border-radius:50%;background:${accent};
color:${ink};cursor:pointer;box-shadow:0 2px 12px #0005}
button:focus-visible{outline:3px solid #000;outline-offset:1px;box-shadow:0 0 0 7px #fff}
svg{display:block;fill:none;stroke:currentColor;stroke-width:2}
span{position:absolute;inset-block-start:-4px;inset-inline-end:-4px;min-inline-size:22px;
box-sizing:border-box;padding:0 6px;border-radius:11px;background:#b91c1c;color:#fff;
font:bold 13px/22px system-ui,sans-serif}
span:empty{display:none}
div>div{position:fixed;inset-block-end:calc(88px + env(safe-area-inset-bottom));
inset-inline-end:20px;inline-size:min(384px,100vw - 40px);block-size:min(640px,100vh - 108px);
overflow:hidden;border-radius:16px;background:Canvas;color:CanvasText;color-scheme:light dark;
border-block-start:4px solid ${accent};box-sizing:border-box;box-shadow:0 8px 32px #0004}
div>div:not(.open){visibility:hidden;opacity:0}
.ready{border:0}
iframe{display:block;inline-size:100%;block-size:100%;border:0}
p{position:absolute;inset:0;margin:0;padding:32px 24px;background:Canvas;text-align:center}
a{display:block;margin-block-start:12px;color:LinkText}
@media ${NARROW}{div>div{inset:var(--rtapp-top,0) 0 auto;inline-size:100%;
block-size:var(--rtapp-height,100dvh);border-radius:0}
.ready.open+button{visibility:hidden}}
@media (prefers-reduced-motion:no-preference){div>div{transition:opacity .15s,visibility .15s}}
@media (forced-colors:active){button,span,div>div{border:2px solid}}
@media print{:host{display:none!important}}`);
  const size = sheet(root); // of the panel, above a phone's keyboard
  const scroll = sheet(document); // of the page, behind the panel

  const render = () => {
    panel.className = `${isOpen ? "open" : ""} ${isReady ? "ready" : ""}`;
    failure.hidden = !hasFailed;
    badge.textContent = !unread ? "" : unread > 99 ? "99+" : `${unread}`;
    const label = isOpen ? texts.close : texts.open;
    button.setAttribute("aria-label", unread ? `${label}, ${unread} ${texts.unread}` : label);
    button.setAttribute("aria-expanded", `${isOpen}`);
    path.setAttribute("d", isOpen ? "M6 6l12 12M18 6L6 18" : "M4 5h16v11h-8l-5 4v-4H4z");
    scroll.replaceSync(isOpen ? `@media ${NARROW}{html{overflow:hidden!important}}` : "");
    const shown = isOpen || !document.hidden || !unread ? "" : `(${unread}) `;
    if (shown !== prefix) {
      const title = document.title;
      document.title = shown + (title.startsWith(prefix) ? title.slice(prefix.length) : title);
      prefix = shown;
    }
  };

  const fit = () => {
    const seen = window.visualViewport;
    if (!seen || seen.scale > 1.01) return; // the visitor looks at a part of it
    size.replaceSync(`:host{--rtapp-top:${seen.offsetTop}px;--rtapp-height:${seen.height}px}`);
  };

  // Messages

  /**
   * @param {keyof ChatEvents} name
   * @param {any} [value]
   */
  const emit = (name, value) => {
    const list = callbacks[name];
    for (let at = 0; at < list?.length; at++) {
      try {
        list[at](value);
      } catch (error) {
        console.error(error);
      }
    }
  };

  /**
   * @param {string} type
   * @param {string} message
   */
  const problem = (type, message) => {
    const error = /** @type {ChatError} */ (new Error(message));
    error.type = type;
    return error;
  };

  const gone = () => problem("destroyed", "rtappChat.destroy()");

  /** @param {ToChat} message */
  const send = (message) => port?.postMessage(message);

  /** @param {string} href */
  const without = (href) => href.replace(/#(?![!/]).*/, "").slice(0, 2000);

  const sendSession = () => {
    page = without(location.href);
    const title = document.title;
    send({ type: "session", token, page, language, title, open: isOpen });
  };

  const sendPage = () => {
    const now = without(location.href);
    if (now !== page) send({ type: "page", url: (page = now), title: document.title });
  };

  /** @param {number} id */
  const sendRequest = (id) => {
    const { jwt } = asked[id];
    send(jwt === undefined ? { type: "logout", id } : { type: "identify", jwt, id });
  };

  /**
   * Asks the chat as soon as it is there.
   * @param {string} [jwt] to identify the visitor; without it, to log them out
   * @returns {Promise<any>}
   */
  const ask = (jwt) =>
    new Promised((resolve, reject) => {
      const id = ++requests;
      asked[id] = { jwt, resolve, reject };
      load();
      sendRequest(id);
    });

  /**
   * Takes the request that is answered.
   * @param {number} [id]
   */
  const taken = (id = 0) => {
    const request = asked[id];
    delete asked[id];
    return request;
  };

  /** @param {string | null} value */
  const setToken = (value) => {
    token = value;
    keep(value);
  };

  /** @param {number} count */
  const setUnread = (count) => {
    if (count === unread) return;
    unread = count;
    render();
    emit("unread", unread);
  };

  /** @param {MessageEvent<FromChat>} event */
  const receive = ({ data }) => {
    if (data.type === "ready") {
      cancel(timer);
      isReady = true;
      hasFailed = false;
      render();
      show();
    } else if (data.type === "token") {
      const lost = data.token === null && token !== null;
      setToken(data.token);
      if (lost && proof !== null && identified) {
        identified = null;
        identify(proof).catch((error) => emit("error", error));
      }
    } else if (data.type === "unread") setUnread(data.count);
    else if (data.type === "message") emit("message", data.message);
    else if (data.type === "close") close(true);
    else if (data.type === "identified") {
      const request = taken(data.id);
      const contact = /** @type {Contact} */ (data.contact);
      if (request?.jwt !== undefined) identified = { jwt: request.jwt, contact };
      request?.resolve(contact);
    } else if (data.type === "loggedOut") {
      setToken(null);
      setUnread(0);
      taken(data.id)?.resolve();
    } else if (data.type === "error") {
      const error = problem(data.error.type, data.error.message);
      const request = taken(data.id);
      if (request) request.reject(error);
      else emit("error", error);
    }
  };

  // The frame

  /** @param {Error} error the answer to all requests */
  const refuse = (error) => {
    for (let id = 1; id <= requests; id++) {
      asked[id]?.reject(error);
      delete asked[id];
    }
  };

  const wait = (/** @type {number} */ time) => {
    cancel(timer);
    timer = later(fail, time);
  };

  const fail = () => {
    cancel(timer);
    hasFailed = true;
    render();
    const error = problem("unavailable", texts.failed);
    console.warn(`rtapp: ${address} does not load here`);
    token = kept(); // null, if it was being logged out
    refuse(error);
    emit("error", error);
  };

  const start = () => {
    isReady = hasFailed = false;
    port = null;
    wait(HANDSHAKE);
    render();
    frame.src = address;
    if (!frame.isConnected) panel.appendChild(frame);
  };

  const load = () => {
    const again = !isWanted || hasFailed;
    isWanted = true;
    if (again && host.isConnected) start();
  };

  /** Beside <body>: navigation without loading replaces that, and would load the frame anew. */
  const attach = () => {
    if (isGone || host.isConnected || !document.body) return;
    host.dir = getComputedStyle(document.body).direction;
    document.documentElement.appendChild(host);
    observer.observe(document.documentElement, watched);
    if (isWanted) start();
  };

  /** Only who writes causes a request: who has a token wants to know what is unread. */
  const loadIfKnown = () => {
    if (!isWanted && !isGone && token !== null) idle(() => isGone || load());
  };

  /** The chat takes the focus to its field, but only from a frame that has it and is loaded. */
  const show = () => {
    if (!isReady || !isOpen) return;
    if (wantsFocus) frame.focus();
    wantsFocus = false;
    send({ type: "open" });
  };

  const open = () => {
    if (isGone || isOpen) return;
    isOpen = true;
    opener = document.activeElement;
    wantsFocus = navigator.userActivation?.hasBeenActive !== false;
    load();
    fit();
    render();
    sendPage();
    show();
    emit("open");
  };

  /** @param {boolean} [focuses] whether the focus was in the chat */
  const close = (focuses = root.activeElement !== null) => {
    if (isGone || !isOpen) return;
    isOpen = false;
    render();
    send({ type: "close" });
    if (focuses) {
      const goal = opener instanceof HTMLElement && opener.isConnected ? opener : button;
      (goal === document.body || goal === host ? button : goal).focus();
    }
    emit("close");
  };

  /** @type {RtappChat["identify"]} */
  const identify = async (wanted) => {
    const jwt = typeof wanted === "function" ? await wanted() : wanted;
    if (typeof jwt !== "string") throw new TypeError("rtappChat.identify(): no JWT");
    if (isGone) throw gone();
    proof = wanted;
    return identified?.jwt === jwt ? identified.contact : ask(jwt);
  };

  /** @type {RtappChat["logout"]} */
  const logout = async () => {
    proof = identified = null;
    if (isGone || (token === null && !isWanted)) return;
    keep(null);
    return ask();
  };

  /** @type {RtappChat} */
  const chat = {
    identify,
    logout,
    open,
    close: () => close(),
    toggle: () => (isOpen ? close() : open()),
    on(name, callback) {
      if (!/^(unread|message|open|close|error)$/.test(name) || typeof callback !== "function") {
        throw new TypeError(`rtappChat.on(${name})`);
      }
      const list = (callbacks[name] = callbacks[name] || []);
      const at = list.length;
      list[at] = callback;
      return () => {
        list[at] = () => {};
      };
    },
    destroy() {
      if (isGone) return;
      close();
      unread = 0;
      render();
      send({ type: "destroy" });
      isGone = true;
      cancel(timer);
      ended.abort();
      observer.disconnect();
      host.remove();
      refuse(gone());
      if (window.rtappChat === chat) delete (/** @type {any} */ (window).rtappChat);
    },
  };

  // Listeners

  listen(window, "message", ({ source, origin: sender, data }) => {
    if (sender !== origin || source !== frame.contentWindow || data?.rtapp !== "hello") return;
    const { port1, port2 } = new Channel();
    port?.close();
    port = port1;
    port1.onmessage = (event) => port === port1 && !isGone && receive(event);
    source.postMessage({ rtapp: "session" }, origin, [port2]);
    sendSession();
    for (let id = 1; id <= requests; id++) if (asked[id]) sendRequest(id);
  });
  listen(window, "storage", (event) => {
    if (event.key === stored || event.key === null) follow();
  });
  listen(window, "pageshow", (event) => event.persisted && follow());

  /** Another tab has changed the token. */
  const follow = () => {
    const now = kept();
    if (now === token) return sendPage();
    token = now;
    identified = null;
    if (isWanted) sendSession();
    else loadIfKnown();
    if (token === null) setUnread(0);
  };

  listen(button, "click", chat.toggle);
  listen(root, "keydown", (event) => event.key === "Escape" && close(true));
  listen(frame, "load", () => !isReady && wait(LOADED));
  listen(document, "visibilitychange", render);
  listen(window, "online", () => hasFailed && isOpen && load());
  listen(window.visualViewport, "resize", fit);
  listen(window.visualViewport, "scroll", fit);
  // Navigation without loading. Where there is no such event, a click into the chat comes after it.
  listen(/** @type {any} */ (window).navigation, "currententrychange", () => later(sendPage, 0));
  listen(window, "popstate", sendPage);
  listen(window, "hashchange", sendPage);
  listen(window, "blur", sendPage);
  listen(window, "load", loadIfKnown);
  const observer = new MutationObserver(attach);
  observer.observe(document, watched);
  observer.observe(document.documentElement, watched);

  token = kept();
  render();
  window.rtappChat = chat;
  attach();
  if (document.readyState === "complete") loadIfKnown();

  // Calls that came before.
  /** @param {import("./widget").Call} call */
  const run = (call) => {
    const method = /** @type {any} */ (chat)[call[0]];
    try {
      const result = method(call[1][0], call[1][1]);
      call[2]?.(result);
    } catch (error) {
      if (call[3]) call[3](error);
      else console.error(error);
    }
  };
  if (stub) {
    for (let at = 0; at < stub.length; at++) run(stub[at]);
    stub.push = run;
  }
})();
