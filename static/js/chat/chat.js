/** A visitor's chat: what it has and what it does. view.js shows it. */

/** @import { Attachment, Connector } from "../connector/connector" */
/** @import { Contact, Conversation, FromHost, Host, Listed, Message, Screen, Settings, Unsent, Words } from "./types" */

import { ActionError } from "../connector/perform.js";
import { connect } from "../connector/visitor/visitor.js";
import { Frame, Page } from "./host.js";
import { Outbox } from "./outbox.js";
import { request } from "./request.js";
import { Storage } from "./storage.js";
import { Times } from "./text.js";
import { Thread } from "./thread.js";
import { View } from "./view.js";

const LANGUAGES = ["en", "de"];
const NEW_DRAFT = "new";
const TYPING_INTERVAL = 3_000; // ms, the server forgets it after 8 s
const PATIENCE = 3_000; // ms without a connection, before the visitor reads of it
const RETRY = 5_000; // ms
const LONGEST_RETRY = 60_000; // ms
const PROVED = ".proved"; // in the storage: the contact, and what the website last stated of it
const CHANGE_TIMEOUT = 25_000; // ms, of a change of identity in another tab

export class Chat {
  /** @type {Screen} */
  screen = "loading";
  /** @type {number | null} the conversation that is shown; null: a new one */
  current = null;
  /** @type {Conversation[]} */
  conversations = [];
  /** @type {Contact | null} */
  contact = null;
  /** @type {Map<number, string>} names, by the user's id */
  typists = new Map();
  isOpen = false;
  #isInterrupted = !navigator.onLine;
  #isBehind = false; // a request has failed, and is made again
  /** What has happened, until the visitor goes on. */
  notice = "";
  page = "";
  /** @type {Words} */
  words = /** @type {any} */ (null);
  /** @type {Times} */
  times = /** @type {any} */ (null);
  present;

  #view;
  /** @type {() => void} */
  #play = () => {};
  #channel;
  /** @type {string | null} */
  #token = null;
  #life = new AbortController(); // of what is known of the present visitor
  /** @type {Connector | null} */
  #connector = null;
  /** @type {(() => void) | null} */
  #leave = null; // the stream of the conversation that is shown
  /** @type {Map<number, Thread>} */
  #threads = new Map();
  /** @type {Map<number, number>} the newest message of each conversation when the stream began, or since */
  #announced = new Map();
  #queue = Promise.resolve();
  #closings = 0;
  #typedAt = 0;
  #unread = -1;
  /** @type {any} */
  #interruption = 0;
  /** @type {any} */
  #reloading = 0;

  /**
   * @param {Settings} settings
   * @param {Host} host
   * @param {Storage} storage
   * @param {HTMLElement} root
   */
  constructor(settings, host, storage, root) {
    this.settings = settings;
    this.host = host;
    this.storage = storage;
    this.present = settings.present;
    this.outbox = new Outbox(storage, (item) => this.#send(item), () => this.#show());
    this.#view = new View(this, root);
    this.#channel = channelOf(`rtapp.chat.${settings.key}`, (data) => this.#received(data));
  }

  start() {
    addEventListener("online", () => this.#isOnline());
    addEventListener("offline", () => this.#setOffline(true));
    document.addEventListener("visibilitychange", () => this.#show());
    addEventListener("focus", () => this.#show());
    for (const name of ["pointerdown", "keydown"]) addEventListener(name, () => this.#allowSound(), { once: true });
    this.host.start((message) => this.#receive(message));
  }

  async #allowSound() {
    const { play } = await import("./on_demand/sound.js").catch(() => ({ play: () => {} }));
    this.#play = play;
  }

  // The website's page

  /** @param {FromHost} message */
  #receive(message) {
    if (message.type === "session") return this.#inTurn(() => this.#begin(message));
    if (message.type === "identify") return this.#inTurn(() => this.#identify(message.jwt, message.id));
    if (message.type === "logout") return this.#inTurn(() => this.#logout(message.id));
    if (message.type === "destroy") return this.#destroy();
    if (message.type === "page") this.page = message.url;
    if (message.type === "open" || message.type === "close") {
      this.isOpen = message.type === "open";
      this.#show();
      if (this.isOpen) this.#view.focus();
    }
  }

  /** @param {() => Promise<void>} run */
  #inTurn(run) {
    this.#queue = this.#queue.then(run).catch((error) => reportError(error));
  }

  /** @param {{token?: string | null, page?: string, language?: string, open?: boolean}} session */
  async #begin({ token = null, page = "", language = "", open = false }) {
    const isKnown = this.words !== null && token === this.#token; // the website's page repeats it for other tabs
    if (this.words === null) await this.#speak(language);
    else if (token === null && !isKnown) this.#wipe();
    this.page = page;
    this.isOpen = open;
    this.#token = token;
    if (isKnown) return this.#show();
    await this.#load();
    this.outbox.run();
    this.host.post({ type: "ready" });
    if (open) this.#view.focus();
  }

  /** @param {string} asked */
  async #speak(asked) {
    const wanted = [asked, this.settings.language, navigator.language, "en"].map((code) => code.toLowerCase().split("-")[0]);
    const language = wanted.find((code) => LANGUAGES.includes(code)) ?? "en";
    this.words = (await import(`./languages/${language}.js`)).default;
    this.times = new Times(language);
    Object.assign(document.documentElement, { lang: language, dir: this.words.direction });
  }

  /** The website proves who the visitor is. The former stream ends first. @type {(jwt: string, id?: number) => Promise<void>} */
  async #identify(jwt, id) {
    const { contact } = this;
    const former = this.#token;
    const isProved = stated(jwt, contact) === this.storage.get(PROVED); // on another page of the website
    if (contact?.verified && isProved) return this.host.post({ type: "identified", contact, id });
    this.#channel?.postMessage({ type: "changing" });
    this.#forget(contact?.verified);
    this.#show();
    const ask = (/** @type {string | null} */ token) => request(this.#path("session"), token, { jwt });
    try {
      const session = await ask(former).catch((error) => {
        if (error.status === 401 && former) return ask(null); // the token has ended; or the proof is refused again
        throw error;
      });
      const proved = stated(jwt, session.contact);
      const known = subject(this.storage.get(PROVED)); // also of a session that has ended
      if (known && known !== subject(proved)) this.#wipeAll();
      this.#setToken(session.token);
      await this.#load();
      this.storage.set(PROVED, proved);
      this.host.post({ type: "identified", contact: session.contact, id });
    } catch (error) {
      this.#channel?.postMessage({ type: "token", token: former });
      await this.#load();
      this.host.post({ type: "error", error: { type: "identify", message: String(/** @type {Error} */ (error).message) }, id });
    }
    this.outbox.run();
  }

  /** @param {number} [id] */
  async #logout(id) {
    const token = this.#token;
    this.#wipeAll();
    this.#setToken(null);
    await this.#load();
    if (token) await request(this.#path("session/delete"), token, {}).catch(() => {});
    this.host.post({ type: "loggedOut", id });
  }

  #destroy() {
    this.#forget(true);
    this.#channel?.close();
    this.#view.close();
  }

  // Other tabs

  /** @param {{type: string, token: string | null, id: number}} message */
  #received({ type, token, id }) {
    if (type === "read") {
      const conversation = this.conversations.find((each) => each.id === id);
      if (conversation) conversation.unread = 0;
      this.#show();
    } else if (type === "wipe") {
      this.#wipe();
      this.#show();
    } else if (type === "changing") {
      this.#forget(true);
      this.#show();
      this.#reload(CHANGE_TIMEOUT);
    } else if (type === "token" && (token !== this.#token || this.screen === "loading")) {
      this.#token = token;
      this.#inTurn(() => this.#load());
    }
  }

  // The visitor

  /** @param {string | null} token */
  #setToken(token) {
    this.#token = token;
    this.host.post({ type: "token", token });
    this.#channel?.postMessage({ type: "token", token });
  }

  /** Ends the streams, and forgets what they brought. @param {boolean} [isVisible] */
  #forget(isVisible = true) {
    this.#life.abort();
    this.#life = new AbortController();
    clearTimeout(this.#reloading);
    this.#isBehind = false;
    this.#leave = null;
    this.#connector?.disconnect();
    this.#connector = null;
    if (!isVisible) return;
    this.screen = "loading";
    this.contact = this.current = null;
    this.conversations = [];
    this.#threads.clear();
    this.typists.clear();
  }

  /** Also what the visitor has not sent. */
  #wipe() {
    this.#forget();
    this.outbox.clear();
    this.storage.set(PROVED, null);
    this.storage.names(".draft.").forEach((name) => this.storage.set(name, null));
    this.#view.wipe();
  }

  /** In other tabs too. */
  #wipeAll() {
    this.#wipe();
    this.#channel?.postMessage({ type: "wipe" });
  }

  /** @param {number} delay */
  #reload(delay) {
    clearTimeout(this.#reloading);
    this.#reloading = setTimeout(() => this.#inTurn(() => this.#load()), delay);
  }

  /** What is shown stays, as far as it is still the visitor's. */
  async #load() {
    const { current, screen } = this;
    this.#forget();
    if (this.#token) await this.#sync();
    else this.screen = "thread";
    if (this.screen === "loading") this.#choose(current, screen);
    this.#show();
  }

  /** Brings what is known up to date. */
  async #sync() {
    const { signal } = this.#life;
    try {
      /** @type {Listed} */
      const listed = await request(this.#path("conversations"), this.#token);
      if (signal.aborted) return;
      const isEmpty = this.screen === "thread" && this.conversations.length === 0;
      this.conversations = listed.conversations;
      this.contact = listed.contact;
      this.present = listed.present;
      if (!this.#connector) this.#connect(listed);
      if (isEmpty) this.#choose(this.current, this.screen); // the first one, which another tab may have begun
    } catch (error) {
      if (!signal.aborted) await this.#failed(error);
    }
    this.#show();
  }

  /** @type {(current: number | null, screen: Screen) => void} */
  #choose(current, screen) {
    const [newest] = this.conversations;
    const hasBegun = this.outbox.of(null).length > 0 || this.storage.get(`.draft.${NEW_DRAFT}`);
    if (this.conversations.some(({ id }) => id === current)) this.openConversation(current);
    else if (screen === "list") this.screen = "list";
    else if (!newest || hasBegun) this.openConversation(null);
    else if (newest.status === "open" || newest.unread) this.openConversation(newest.id);
    else this.screen = "list";
  }

  /** @param {unknown} error */
  async #failed(error) {
    if (!(error instanceof ActionError)) throw error;
    const { status, retryAfter } = error;
    if (status === 401 && !(await this.#isGone())) return this.#ended();
    if (![401, 403, 404].includes(status) && this.screen !== "loading") return this.#fallBehind(retryAfter);
    this.#forget();
    if (status === 403) this.screen = "blocked";
    else if (status === 401 || status === 404) this.screen = "gone";
    else {
      this.screen = "failed";
      this.#reload(retryAfter ?? RETRY);
    }
    this.host.post({ type: "error", error: { type: this.screen, message: error.message } });
  }

  /** What is shown stays. @param {number} [delay] */
  #fallBehind(delay = RETRY) {
    this.#isBehind = true;
    clearTimeout(this.#reloading);
    this.#reloading = setTimeout(() => this.#inTurn(() => this.#reset()), delay);
    this.#show();
  }

  async #isGone() {
    const answer = await fetch(location.pathname, { method: "HEAD", credentials: "omit" }).catch(() => null);
    return answer?.status === 404;
  }

  /** The token does not hold any more: the visitor begins anew, with what is not sent; a proven user, when they ask for it. */
  #ended() {
    this.#forget();
    this.#setToken(null);
    this.outbox.move(this.outbox.all, null, Boolean(this.storage.get(PROVED)));
    this.screen = "thread";
    this.notice = this.words.ended;
    this.host.post({ type: "error", error: { type: "ended", message: this.notice } });
  }

  // What the streams bring

  /** @param {Listed} listed */
  #connect({ contact, conversations, cursor }) {
    this.#announced = new Map(conversations.map(({ id, last_message }) => [id, last_message?.id ?? 0]));
    const { signal } = this.#life;
    // The token's own contact: an agent may have merged it into this one.
    const user = /\d+/.exec(this.#token ?? "")?.[0];
    this.#connector = connect({ account: this.settings.account_id, user, token: () => this.#token, cursor });
    this.#connector.subscribe(`contact:${contact.id}`, /** @type {any} */ ({
      onConnected: () => {
        this.#closings = 0;
        this.#isOnline();
      },
      onDisconnected: () => (this.#interruption = setTimeout(() => this.#setOffline(true), PATIENCE)),
      onReset: () => this.#reset(),
      onClosed: () => this.#closed(signal),
      onMessageCreated: (/** @type {Message} */ message) => this.#arrived(message),
      onMessageUpdated: (/** @type {Message} */ message) => this.#changed(message),
      onMessageDeleted: (/** @type {Message} */ message) => {
        this.#threads.get(message.conversation_id)?.delete(message.id);
        this.#sync();
      },
      onConversationCreated: () => this.#sync(),
      onConversationStatusChanged: (/** @type {Conversation} */ { id, status }) => {
        const conversation = this.conversations.find((each) => each.id === id);
        if (conversation) conversation.status = status;
        this.#show();
      },
    }));
    this.#connector.subscribe(`website:${this.settings.inbox_id}`, /** @type {any} */ ({
      onInboxPresence: (/** @type {{present: boolean}} */ { present }) => {
        this.present = present;
        this.#show();
      },
    }));
    if (this.current !== null) this.#listen(this.current);
  }

  /** The server has ended the stream: another request shows why. @param {AbortSignal} signal */
  #closed(signal) {
    if (!signal.aborted) this.#reload(Math.min(LONGEST_RETRY, this.#closings++ * RETRY));
  }

  async #reset() {
    for (const id of this.#threads.keys()) if (id !== this.current) this.#threads.delete(id);
    this.#isBehind = false;
    await this.#sync();
    if (this.current !== null && !this.#isBehind) await this.#fetch(this.current);
    this.#show();
  }

  /** @param {Message} message */
  #arrived(message) {
    const conversation = this.conversations.find(({ id }) => id === message.conversation_id);
    if (message.sender.type === "contact") this.outbox.drop(message.client_id);
    this.#threads.get(message.conversation_id)?.add(message);
    if (message.truncated) this.#complete(message);
    if (message.sender.type === "user") this.#announce(message);
    if (!conversation) return this.#sync();
    if (message.id > (conversation.last_message?.id ?? 0)) this.#isNews(conversation, message);
    this.#show();
  }

  /** @type {(conversation: Conversation, message: Message) => void} */
  #isNews(conversation, message) {
    const { id, created_at, sender } = message;
    conversation.last_message = { id, preview: preview(message), sender_name: sender.name, created_at };
    conversation.last_public_at = created_at;
    this.conversations.sort((one, other) => Date.parse(other.last_public_at) - Date.parse(one.last_public_at));
    if (sender.type === "user") conversation.unread++;
  }

  /** Once, also of a message that the list had first. @param {Message} message */
  #announce(message) {
    const { id, conversation_id, sender } = message;
    if (id <= (this.#announced.get(conversation_id) ?? 0)) return;
    this.#announced.set(conversation_id, id);
    if (conversation_id === this.current) this.typists.delete(sender.id);
    this.host.post({ type: "message", message });
    if (!this.isMuted && !(this.isSeen && document.hasFocus())) this.#play();
  }

  /** @param {Message} message */
  #changed(message) {
    this.#threads.get(message.conversation_id)?.change(message);
    if (message.truncated) this.#complete(message);
    const last = this.conversations.find((each) => each.last_message?.id === message.id)?.last_message;
    if (last) last.preview = preview(message);
    this.#show();
  }

  /** It was too long for an event. @param {Message} message */
  async #complete({ id, conversation_id }) {
    const { messages } = await this.#get(`/conversations/${conversation_id}/messages?after=${id - 1}&limit=1`);
    this.#threads.get(conversation_id)?.change(messages[0]);
    this.#show();
  }

  /** The stream of a conversation has who types in it. @param {number} id */
  #listen(id) {
    this.#leave?.();
    this.typists.clear();
    const timers = new Map();
    const ended = (/** @type {number} */ user) => {
      clearTimeout(timers.get(user));
      if (this.typists.delete(user)) this.#show();
    };
    const subscription = this.#connector?.subscribe(
      `conversation:${id}`,
      {
        onTyping: ({ user_id, user_name, is_typing, expires_in }) => {
          if (user_id === undefined) return;
          ended(user_id);
          if (!is_typing) return;
          this.typists.set(user_id, user_name);
          timers.set(user_id, setTimeout(() => ended(user_id), expires_in * 1000));
          this.#show();
        },
      },
      { cursor: "" },
    );
    this.#leave = () => subscription?.unsubscribe();
  }

  #isOnline() {
    this.#setOffline(false);
    if (this.screen === "failed") this.#reload(0);
    else if (this.#isBehind) this.#fallBehind(0);
    this.outbox.run();
  }

  get isOffline() {
    return this.#isInterrupted || this.#isBehind;
  }

  /** @param {boolean} isOffline */
  #setOffline(isOffline) {
    clearTimeout(this.#interruption);
    this.#isInterrupted = isOffline;
    this.#show();
  }

  // What the visitor does

  /** @param {number | null} id  null: a new one */
  openConversation(id) {
    this.screen = "thread";
    this.current = id;
    this.typists.clear();
    if (id === null) this.#leave?.();
    else {
      this.#listen(id);
      if (!this.#threads.get(id)?.isLoaded) this.#fetch(id);
    }
    this.#show();
  }

  showList() {
    this.screen = "list";
    this.current = null;
    this.notice = "";
    this.#leave?.();
    this.#show();
  }

  get conversation() {
    return this.conversations.find(({ id }) => id === this.current);
  }

  get thread() {
    return this.current === null ? undefined : this.#threads.get(this.current);
  }

  get token() {
    return this.#token;
  }

  /** @type {(content: string, files?: Attachment[]) => void} */
  send(content, files) {
    const attachments = files?.length ? files : undefined; // the first message takes none
    this.notice = "";
    this.#typedAt = 0;
    this.draft = "";
    this.outbox.add({ conversation: this.current, content, attachments, page: this.page || undefined });
    this.#view.toBottom();
  }

  get draft() {
    return this.storage.get(`.draft.${this.current ?? NEW_DRAFT}`) ?? "";
  }

  set draft(text) {
    this.storage.set(`.draft.${this.current ?? NEW_DRAFT}`, text || null);
  }

  /** @param {string} text */
  typed(text) {
    this.draft = text;
    const isTyping = text.trim() !== "";
    const isKnown = isTyping ? Date.now() - this.#typedAt < TYPING_INTERVAL : this.#typedAt === 0;
    if (isKnown || this.current === null || !this.#token) return;
    this.#typedAt = isTyping ? Date.now() : 0;
    this.#post(`/conversations/${this.current}/typing`, { typing: isTyping }).catch(() => {});
  }

  /** Called with the newest message in view. */
  read() {
    const { conversation, thread } = this;
    const last = thread?.messages.at(-1);
    if (!conversation?.unread || !last || !this.isSeen) return;
    if (last.id < (conversation.last_message?.id ?? 0)) return; // it is on its way
    conversation.unread = 0;
    this.#channel?.postMessage({ type: "read", id: conversation.id });
    this.#post(`/conversations/${conversation.id}/read`, { message_id: last.id }).catch(() => {});
    this.#show();
  }

  get isSeen() {
    return this.isOpen && document.visibilityState === "visible";
  }

  get isMuted() {
    return this.storage.get(".muted") === true;
  }

  toggleSound() {
    this.storage.set(".muted", this.isMuted ? null : true);
    this.#show();
  }

  /** Throws ActionError. @type {(email: string, thanks: string) => Promise<void>} */
  async giveEmail(email, thanks) {
    await this.#session();
    const { signal } = this.#life;
    const { contact } = await this.#post(this.#path("contact"), { email });
    if (signal.aborted) return;
    this.contact = contact;
    this.notice = thanks;
    this.#show();
  }

  async loadEarlier() {
    const { current, thread } = this;
    if (current === null || !thread?.before || this.isLoadingEarlier) return;
    this.isLoadingEarlier = true;
    this.#show();
    await this.#fetch(current, thread.before);
    this.isLoadingEarlier = false;
    this.#show();
  }

  isLoadingEarlier = false;

  /** Fetches the newest messages, or those before one. @type {(id: number, before?: number) => Promise<void>} */
  async #fetch(id, before) {
    const thread = this.#threads.get(id) ?? new Thread();
    this.#threads.set(id, thread); // now: it takes what comes meanwhile
    const { signal } = this.#life;
    try {
      const answer = await this.#get(`/conversations/${id}/messages${before ? `?before=${before}` : ""}`);
      if (signal.aborted) return;
      if (before) {
        thread.add(...answer.messages);
        thread.before = answer.next_before;
      } else thread.renew(answer.messages, answer.next_before);
      this.#show();
    } catch (error) {
      if (signal.aborted || before) return;
      if (!(error instanceof ActionError) || error.status !== 404) return this.#failed(error);
      this.showList(); // it was removed
      await this.#sync();
    }
  }

  /** @param {Unsent} item */
  async #send(item) {
    const { signal } = this.#life;
    const { content, client_id, page, attachments } = item;
    const data = { content, client_id, page, attachments: attachments?.map(({ key }) => key) }; // JSON has no undefined
    try {
      await this.#session();
      if (item.conversation !== null) {
        const message = await this.#post(`/conversations/${item.conversation}/messages`, data);
        if (!signal.aborted) this.#arrived(message);
        return;
      }
      const token = this.#token;
      const { conversation, message } = await this.#post(this.#path("conversations"), { ...data, website: "" });
      if (this.#token === token) this.outbox.move(this.outbox.of(null), conversation.id);
      if (signal.aborted) return;
      this.conversations = [{ ...conversation, unread: 0 }, ...this.conversations.filter(({ id }) => id !== conversation.id)];
      if (!this.#threads.has(conversation.id)) this.#threads.set(conversation.id, new Thread());
      this.#arrived(message);
      if (this.screen === "thread" && this.current === null) this.#continueIn(conversation.id);
    } catch (error) {
      if (signal.aborted || !(error instanceof ActionError)) throw error;
      if (error.status === 403) await this.#failed(error);
      if (error.status !== 401) throw error;
      await this.#failed(error);
      if (this.storage.get(PROVED)) throw error;
      throw new ActionError(503, null, 0); // it is sent again, as a new visitor's
    }
  }

  /** @param {number} id */
  #continueIn(id) {
    const { draft } = this;
    this.draft = "";
    this.openConversation(id);
    this.draft = draft;
  }

  /** Begins the visitor's session, at the first that they do. */
  async #session() {
    if (this.#token) return;
    const { token, contact } = await request(this.#path("session"), null, {});
    this.contact = contact;
    this.#setToken(token);
    await this.#sync();
  }

  /** @param {string} name */
  #path(name) {
    return `/chat/${this.settings.key}/${name}`;
  }

  /** @param {string} path */
  #get(path) {
    return request(path, this.#token);
  }

  /** @type {(path: string, data: object) => Promise<any>} */
  #post(path, data) {
    return request(path, this.#token, data);
  }

  /** Shows what has changed. */
  #show() {
    if (!this.words) return;
    this.#view.show();
    const unread = this.conversations.reduce((sum, each) => sum + each.unread, 0);
    if (unread === this.#unread) return;
    this.#unread = unread;
    this.host.post({ type: "unread", count: unread });
    const { name } = this.settings;
    document.title = unread ? `(${unread}) ${name}` : name;
  }
}

/** The other frames and tabs of this chat; null where the browser denies them. @type {(name: string, receive: (data: any) => void) => BroadcastChannel | null} */
function channelOf(name, receive) {
  try {
    const channel = new BroadcastChannel(name);
    channel.onmessage = ({ data }) => receive(data);
    return channel;
  } catch {
    return null;
  }
}

/** @param {Message} message */
function preview({ content, attachments }) {
  return content.slice(0, 120) || attachments.map(({ name }) => name).join(", ");
}

/** What a JWT states of a contact. Only the server can check it. @type {(jwt: string, contact: Contact | null) => string} */
function stated(jwt, contact) {
  try {
    const { sub, name, email } = JSON.parse(atob(jwt.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
    return JSON.stringify([contact?.id, sub, name, email]);
  } catch {
    return "";
  }
}

/** @type {(stated: string | null) => string | undefined} */
function subject(stated) {
  return JSON.parse(stated || "[]")[1];
}

const root = document.getElementById("chat");
const { settings } = document.body.dataset;
if (root && settings) {
  document.getElementById("plain")?.remove();
  const parsed = JSON.parse(settings);
  const storage = new Storage(parsed.key);
  new Chat(parsed, parent === window ? new Page(storage) : new Frame(parsed), storage, root).start();
}
