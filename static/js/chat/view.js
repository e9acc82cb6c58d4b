/** What the chat looks like. Elements stay as long as what they show does. */

/** @import { Chat } from "./chat.js" */
/** @import { Attachment } from "../connector/connector" */
/** @typedef {Awaited<ReturnType<typeof import("./on_demand/files.js").load>>} Files */
/** @import { Conversation, Message, Unsent } from "./types" */

import { h, icon, place } from "./dom.js";
import { initials, linked } from "./text.js";

const LENGTH = 10_000; // characters of a message
const APART = 300_000; // ms between messages of one group
const NEAR = 80; // px from an end of the thread
const MARKED = /[*_`@]|:\/\/|www|^ *[->\d]/im; // what an agent may have marked
const TALLEST = 140; // px of the field

export class View {
  #chat;
  #root;
  /** @type {Map<string, {node: HTMLElement, stamp: string}>} */
  #nodes = new Map();
  /** @type {Set<string>} keys of nodes that are shown */
  #used = new Set();
  #isDue = false;
  #isAtBottom = true;
  #isAsked = false; // to scroll there
  #shown = ""; // screen and conversation
  /** @type {any} */
  #tick = 0;
  /** @type {number | null | undefined} of the draft in the field */
  #drafted;
  #isReopened = false;

  #header = h("header");
  #bar = h("p", { class: "bar", role: "status" });
  #main = h("main", { tabIndex: -1 });
  #log = h("div", { class: "log", role: "log" });
  #footer = h("footer");
  #field = h("textarea", { rows: 1, maxLength: LENGTH, dir: "auto", enterKeyHint: "send" });
  #submit = h("button", { class: "send" }, icon("send"));
  #picker = h("input", { type: "file", multiple: true, hidden: true, onchange: () => this.#attach([...(this.#picker.files ?? [])]) });
  #clip = h("button", { type: "button", class: "icon", onclick: () => this.#picker.click() }, icon("clip"));
  #composer = h("form", { class: "composer" }, this.#picker, this.#clip, this.#field, this.#submit);
  #tray = h("ul", { class: "tray" });
  /** @type {Files | undefined} */
  #files;
  /** @type {Promise<Files> | undefined} */
  #loading;
  /** @type {HTMLElement | undefined} */
  #ask;

  /**
   * @param {Chat} chat
   * @param {HTMLElement} root
   */
  constructor(chat, root) {
    this.#chat = chat;
    this.#root = root;
    this.#field.addEventListener("input", () => this.#typed());
    this.#field.addEventListener("keydown", (event) => this.#pressed(event));
    this.#composer.addEventListener("submit", (event) => this.#submitted(event));
    this.#field.addEventListener("paste", (event) => this.#taken(event, event.clipboardData));
    root.addEventListener("dragover", (event) => this.#dragged(event));
    root.addEventListener("drop", (event) => this.#taken(event, event.dataTransfer));
    this.#main.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#isAtBottom && this.#scrollDown()).observe(this.#main);
    if (!chat.host.isFrame) visualViewport?.addEventListener("resize", () => this.#fitScreen());
    addEventListener("keydown", ({ key, isComposing }) => {
      if (key === "Escape" && !isComposing) chat.host.post({ type: "close" });
    });
    root.append(this.#header, this.#bar, this.#main, this.#footer);
  }

  /** A phone's keyboard covers the page where it does not make it smaller. */
  #fitScreen() {
    if (visualViewport?.scale === 1) this.#root.style.setProperty("--height", `${visualViewport.height}px`);
    scrollTo(0, 0);
  }

  /** Soon, once for all that changes now. */
  show() {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      this.#render();
    });
  }

  focus() {
    queueMicrotask(() => (this.#field.isConnected ? this.#field : this.#main).focus());
  }

  toBottom() {
    this.#isAtBottom = this.#isAsked = true;
    this.show();
  }

  #scrollDown() {
    this.#main.scrollTop = this.#main.scrollHeight;
  }

  get #isNearBottom() {
    const { scrollTop, scrollHeight, clientHeight } = this.#main;
    return scrollHeight - scrollTop - clientHeight < NEAR;
  }

  /** Leaves nothing of the visitor on the screen. */
  wipe() {
    this.#field.value = "";
    this.#ask = undefined;
    this.#drafted = undefined;
    this.#nodes.clear();
    this.#files?.clear();
    place(this.#log, []);
  }

  close() {
    this.wipe();
    this.#root.remove();
  }

  #render() {
    const { screen, current, isOffline, notice, words } = this.#chat;
    const shown = `${screen} ${current}`;
    if (shown !== this.#shown) {
      this.#isAtBottom = true;
      this.#isReopened = false;
    } else if (!this.#isAsked) this.#isAtBottom &&= this.#isNearBottom; // the event of a scroll may be on its way
    this.#isAsked = false;
    this.#used.clear();
    clearTimeout(this.#tick);
    place(this.#header, this.#head());
    this.#bar.textContent = isOffline ? words.offline : notice;
    this.#bar.hidden = !this.#bar.textContent;
    place(this.#main, this.#content());
    place(this.#footer, this.#foot());
    for (const key of this.#nodes.keys()) if (!this.#used.has(key)) this.#nodes.delete(key);
    this.#root.hidden = false;
    this.#draft();
    if (this.#isAtBottom && screen === "thread") this.#scrollDown();
    else if (shown !== this.#shown) this.#main.scrollTop = 0;
    this.#shown = shown;
    if (this.#isAtBottom) this.#chat.read();
  }

  /**
   * The element for `key`, made anew when `stamp` changes.
   *
   * @type {(key: string, stamp: unknown, make: () => HTMLElement) => HTMLElement}
   */
  #node(key, stamp, make) {
    const text = JSON.stringify(stamp);
    this.#used.add(key);
    const known = this.#nodes.get(key);
    if (known?.stamp === text) return known.node;
    const node = make();
    this.#nodes.set(key, { node, stamp: text });
    return node;
  }

  // The head

  #head() {
    const { screen, conversations, host, isMuted, present, settings, words } = this.#chat;
    const isThread = screen === "thread";
    const names = this.#agents();
    const title = isThread && names.length > 0 ? names.join(", ") : settings.name;
    const nodes = [];
    if (isThread && conversations.length > 0) nodes.push(this.#button("back", words.back, () => this.#back()));
    nodes.push(
      this.#node("who", [title, present, screen], () =>
        h(
          "div",
          { class: "who" },
          h("span", { class: "faces", "aria-hidden": "true" }, (names.length && isThread ? names : [settings.name]).slice(0, 3).map(face)),
          h(
            "div",
            null,
            h("h1", null, h("bdi", null, title)),
            (isThread || screen === "list") && h("p", { class: present ? "here" : "" }, present ? words.here : words.notHere),
          ),
        ),
      ),
    );
    nodes.push(this.#button(isMuted ? "muted" : "sound", isMuted ? words.unmute : words.mute, () => this.#chat.toggleSound()));
    if (host.isFrame) nodes.push(this.#button("close", words.close, () => host.post({ type: "close" })));
    return nodes;
  }

  /** @type {(name: string, label: string, onclick: () => void) => HTMLElement} */
  #button(name, label, onclick) {
    return this.#node(name, label, () => h("button", { type: "button", class: "icon", title: label, "aria-label": label, onclick }, icon(name)));
  }

  #back() {
    this.#chat.showList();
    this.focus();
  }

  /** The names of those who have answered, the last one first. */
  #agents() {
    const senders = this.#chat.thread?.messages.filter(({ sender }) => sender.type === "user") ?? [];
    return [...new Set(senders.reverse().map(({ sender }) => sender.name))];
  }

  // Conversations

  #content() {
    const { screen, words } = this.#chat;
    if (screen === "thread") return this.#thread();
    if (screen === "list") return this.#list();
    const text = words[screen];
    const retry = h("button", { class: "quiet", onclick: () => location.reload() }, words.retry);
    return [this.#node("message", screen, () => h("div", { class: "alone", role: "status" }, h("p", null, text), screen === "blocked" && retry))];
  }

  #list() {
    const { conversations, words } = this.#chat;
    const heading = this.#node("heading", 0, () => h("h2", null, words.conversations));
    const list = this.#node("list", 0, () => h("ul"));
    place(
      list,
      conversations.map((each) => this.#node(`row ${each.id}`, [each.last_message, each.unread, each.status], () => this.#row(each))),
    );
    return [heading, list];
  }

  /** @param {Conversation} conversation */
  #row({ id, status, last_message, last_public_at, contact, unread }) {
    const { words, times } = this.#chat;
    const isOwn = last_message?.sender_name === contact.name;
    const name = isOwn ? words.you : last_message?.sender_name ?? words.team;
    const open = () => {
      this.#chat.openConversation(id);
      this.focus();
    };
    return h(
      "li",
      null,
      h(
        "button",
        { type: "button", class: unread ? "row unread" : "row", onclick: open },
        face(name),
        h("span", { class: "name" }, h("bdi", null, name), status === "resolved" && h("span", { class: "chip" }, words.closed)),
        h("time", { dateTime: last_public_at }, times.recent(new Date(last_public_at))),
        h("span", { class: "preview", dir: "auto" }, last_message?.preview || words.empty),
        unread > 0 && h("span", { class: "count", "aria-label": words.unread(unread) }, String(unread)),
      ),
    );
  }

  // A thread

  #thread() {
    const { conversation, current, isLoadingEarlier, outbox, thread, typists, words } = this.#chat;
    this.#log.ariaLabel = words.messages;
    const messages = thread?.messages ?? [];
    const unsent = outbox.of(current);
    const nodes = [];
    if (isLoadingEarlier || (thread && !thread.isLoaded && !messages.length)) {
      nodes.push(this.#node("earlier", 0, () => h("p", { class: "day" }, words.earlier)));
    }
    if (!thread?.before) nodes.push(this.#greeting());
    const lastOwn = messages.findLast(({ sender }) => sender.type === "contact");
    const isLast = lastOwn && messages.at(-1) === lastOwn && !unsent.length;
    messages.forEach((message, n) => {
      const [former, next] = [messages[n - 1], messages[n + 1]];
      if (!former || !isSameDay(former, message)) nodes.push(this.#day(message));
      const begins = !former || !isGrouped(former, message);
      const ends = (!next && (!unsent.length || message.sender.type === "user")) || (next && !isGrouped(message, next));
      const isSent = isLast === true && message === lastOwn;
      const { id, client_id, version, truncated } = message;
      nodes.push(this.#node(`message ${client_id ?? id}`, [version, message.content, truncated, begins, ends, isSent], () => this.#message(message, begins, ends, isSent)));
    });
    for (const item of unsent) nodes.push(this.#unsent(item));
    for (const [id, name] of typists) nodes.push(this.#node(`typing ${id}`, name, () => this.#typing(name)));
    place(this.#log, nodes);
    const asks = this.#asksForAddress(messages.length + unsent.length > 0, conversation);
    return asks ? [this.#log, this.#askForAddress()] : [this.#log];
  }

  #greeting() {
    const { present, settings, words } = this.#chat;
    const text = present ? settings.greeting || words.greeting : settings.away || words.away;
    const make = () => h("div", { class: "message theirs begins ends" }, face(settings.name), h("div", { class: "bubble", dir: "auto" }, linked(text)));
    return this.#node("greeting", text, make);
  }

  /** @param {Message} message */
  #day({ id, created_at }) {
    const day = this.#chat.times.day(new Date(created_at));
    return this.#node(`day ${id}`, day, () => h("p", { class: "day" }, h("time", { dateTime: created_at }, day)));
  }

  /** @type {(message: Message, begins: boolean, ends: boolean | undefined, isSent: boolean) => HTMLElement} */
  #message({ content, attachments = [], sender, created_at, edited_at }, begins, ends, isSent) {
    const { words, times } = this.#chat;
    const isOwn = sender.type === "contact";
    const time = h("time", { dateTime: created_at }, times.clock(new Date(created_at)));
    const bubble = h("div", { class: content ? "bubble" : "bubble deleted", dir: "auto" }, linked(content || words.deleted));
    if (!isOwn && MARKED.test(content)) {
      const made = import("./on_demand/markup.js").then(({ markup }) => bubble.replaceChildren(...markup(content, h)));
      made.then(() => this.show(), () => {}); // else as it was typed
    }
    return h(
      "div",
      { class: `message ${isOwn ? "mine" : "theirs"}${begins ? " begins" : ""}${ends ? " ends" : ""}` },
      !isOwn && ends && face(sender.name),
      h("p", { class: isOwn || !begins ? "only-read" : "name" }, h("bdi", null, isOwn ? words.you : sender.name)),
      (content || !attachments.length) && bubble,
      this.#attached(attachments),
      (ends || edited_at) && h("p", { class: "meta" }, time, edited_at && ` · ${words.edited}`, isSent && ` · ${words.sent}`),
    );
  }

  /** @param {Attachment[]} attachments */
  #attached(attachments) {
    const files = h("div");
    if (attachments.length) this.#withFiles((loaded) => files.replaceWith(loaded.shown(attachments)));
    return files;
  }

  /** @param {Unsent} item */
  #unsent(item) {
    const { outbox, words } = this.#chat;
    const { client_id, content, attachments = [], status, again = 0, refused } = item;
    const seconds = Math.max(1, Math.ceil((again - Date.now()) / 1000));
    const isOnWay = status === undefined;
    if (again) this.#tick = setTimeout(() => this.show(), 1000);
    const text = refused ? (status === 413 ? words.tooLong : words.refused) : isOnWay ? words.sending : status === 429 ? words.tooFast(seconds) : words.waiting;
    return this.#node(`message ${client_id}`, [text], () =>
      h(
        "div",
        { class: `message mine begins ends ${isOnWay ? "sending" : "failed"}` },
        h("p", { class: "only-read" }, words.you),
        content && h("div", { class: "bubble", dir: "auto" }, linked(content)),
        this.#attached(attachments),
        h(
          "p",
          { class: "meta" },
          text,
          !isOnWay && [
            " ",
            h("button", { type: "button", class: "link", onclick: () => outbox.retry(item) }, words.retry),
            " · ",
            h("button", { type: "button", class: "link", onclick: () => this.#discard(item) }, words.discard),
          ],
        ),
      ),
    );
  }

  /** Its text goes back into an empty field: it can be mended. @param {Unsent} item */
  #discard({ client_id, content }) {
    this.#chat.outbox.drop(client_id);
    if (this.#field.value) return;
    this.#field.value = content;
    this.#typed();
    this.focus();
  }

  /** @param {string} name */
  #typing(name) {
    const dots = h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
    return h("div", { class: "message theirs begins ends" }, face(name), h("div", { class: "bubble" }, h("span", { class: "only-read" }, this.#chat.words.typing(name)), dots));
  }

  // The visitor's address

  /** @type {(hasBegun: boolean, conversation: Conversation | undefined) => boolean} */
  #asksForAddress(hasBegun, conversation) {
    const { contact, present } = this.#chat;
    return !present && !contact?.email && !contact?.verified && hasBegun && conversation?.status !== "resolved";
  }

  #askForAddress() {
    if (this.#ask) return this.#ask;
    const ask = h("div");
    this.#ask = ask;
    const loaded = import("./on_demand/address.js").then(({ load }) => load(this.#chat, h));
    loaded.then((form) => ask.append(form), () => (this.#ask = undefined)); // no connection
    return ask;
  }

  // Writing

  #foot() {
    const { conversation, current, outbox, screen, words } = this.#chat;
    if (screen === "list") return [this.#wide("start", words.start, () => this.#start())];
    if (screen !== "thread") return [];
    const isClosed = conversation?.status === "resolved" && !this.#isReopened && !this.#chat.draft && !outbox.of(current).length;
    const tray = this.#files?.tray ?? [];
    place(this.#tray, tray);
    if (!isClosed || tray.length) return tray.length ? [this.#tray, this.#composer] : [this.#composer];
    const text = this.#node("resolved", 0, () => h("p", { class: "closed", role: "status" }, words.resolved));
    const reopen = this.#node("reopen", 0, () => h("button", { type: "button", class: "quiet", onclick: () => this.#reopen() }, words.reopen));
    return [text, this.#wide("start", words.start, () => this.#start()), reopen];
  }

  /** @type {(key: string, label: string, onclick: () => void) => HTMLElement} */
  #wide(key, label, onclick) {
    return this.#node(key, label, () => h("button", { type: "button", class: "wide", onclick }, label));
  }

  #start() {
    this.#chat.openConversation(null);
    this.focus();
  }

  #reopen() {
    this.#isReopened = true;
    this.show();
    this.focus();
  }

  /** Each conversation has a text of its own in the field. */
  #draft() {
    const { current, screen, words } = this.#chat;
    if (screen !== "thread") return;
    this.#field.placeholder = this.#field.ariaLabel = words.write;
    this.#submit.ariaLabel = this.#submit.title = words.send;
    this.#clip.ariaLabel = this.#clip.title = words.attach;
    this.#clip.hidden = current === null; // a conversation begins with a text
    if (this.#drafted !== current) this.#field.value = this.#chat.draft;
    this.#drafted = current;
    this.#fit();
  }

  #typed() {
    this.#chat.typed(this.#field.value);
    this.#fit();
  }

  #fit() {
    this.#submit.disabled = this.#field.value.trim() === "" && !this.#tray.isConnected;
    this.#field.style.height = "auto";
    this.#field.style.height = `${Math.min(TALLEST, this.#field.scrollHeight + 2)}px`;
  }

  /** Where there is no keyboard, Enter is for lines. @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || matchMedia("(pointer: coarse)").matches) return;
    this.#submitted(event);
  }

  /** @param {Event} event */
  #submitted(event) {
    event.preventDefault();
    const text = this.#field.value.trim();
    const { attachments, problem = "" } = this.#files?.take() ?? {};
    this.#chat.notice = problem;
    this.show();
    if (problem || !(text || attachments?.length)) return;
    this.#field.value = "";
    this.#chat.send(text, attachments);
    this.focus();
  }

  // Files

  /** Their module is loaded with the first one. @param {(files: Files) => void} run */
  async #withFiles(run) {
    this.#loading ??= import("./on_demand/files.js").then(({ load }) => load(this.#chat, h, () => this.show()));
    try {
      run((this.#files = await this.#loading));
    } catch {
      this.#loading = undefined; // no connection
    }
    this.show();
  }

  /** @param {File[]} files */
  #attach(files) {
    this.#picker.value = "";
    if (files.length) this.#withFiles((loaded) => loaded.add(files));
  }

  /** A copied table is a text and a picture: it is the text. @type {(event: Event, data: DataTransfer | null) => void} */
  #taken(event, data) {
    if (!data?.files.length || data.types.includes("text/plain")) return;
    event.preventDefault();
    this.#attach([...data.files]);
  }

  /** Else the browser would leave the page for the file. @param {DragEvent} event */
  #dragged(event) {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  }

  #scrolled() {
    this.#isAtBottom = this.#isNearBottom;
    if (this.#isAtBottom) this.#chat.read();
    if (this.#main.scrollTop < NEAR && this.#chat.screen === "thread") this.#earlier();
  }

  /** What is in view stays in its place. */
  async #earlier() {
    if (this.#chat.isLoadingEarlier || this.#isAtBottom) return;
    const height = this.#main.scrollHeight;
    await this.#chat.loadEarlier();
    await null; // until it is shown
    this.#main.scrollTop += this.#main.scrollHeight - height;
  }
}

/** @param {string} name */
function face(name) {
  return h("span", { class: "face", "aria-hidden": "true" }, initials(name));
}

/** @type {(one: Message, other: Message) => boolean} */
function isSameDay(one, other) {
  return new Date(one.created_at).toDateString() === new Date(other.created_at).toDateString();
}

/** @type {(one: Message, other: Message) => boolean} */
function isGrouped(one, other) {
  const isSameSender = one.sender.type === other.sender.type && one.sender.id === other.sender.id;
  return isSameSender && Date.parse(other.created_at) - Date.parse(one.created_at) < APART;
}
