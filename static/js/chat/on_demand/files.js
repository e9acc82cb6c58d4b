/** Files in the chat, loaded with the first one: what the visitor chooses, pastes or drops, and what messages have. */

/** @import { Attachment } from "../../connector/connector" */
/** @import { Chat } from "../chat.js" */
/** @import { FileWords, H } from "../types" */

const MAX_FILES = 10; // as on the server
const MAX_BYTES = 10 * 1024 * 1024;
const TIMEOUT = 300_000; // ms
const LARGEST = 240; // px of a thumbnail
const UNITS = ["B", "kB", "MB"];

/** @typedef {{conversation: number, name: string, element: HTMLElement, attachment?: Attachment, problem?: string}} Entry */

class Files {
  #chat;
  #h;
  #words;
  #changed;
  /** @type {Entry[]} */
  #entries = [];
  #queue = Promise.resolve();
  /** @type {Map<string, Promise<string>>} addresses of what was fetched, for the tab's life */
  #fetched = new Map();

  /**
   * @param {Chat} chat
   * @param {H} h
   * @param {FileWords} words
   * @param {() => void} changed
   */
  constructor(chat, h, words, changed) {
    this.#chat = chat;
    this.#h = h;
    this.#words = words;
    this.#changed = changed;
    const href = new URL("../../../css/chat_files.css", import.meta.url).href;
    document.head.append(h("link", { rel: "stylesheet", href }));
  }

  /** Forgets all, for another visitor. */
  clear() {
    this.#entries = [];
    for (const url of this.#fetched.values()) url.then(URL.revokeObjectURL, () => {});
    this.#fetched.clear();
  }

  // Of the message that is being written

  get #own() {
    return this.#entries.filter(({ conversation }) => conversation === this.#chat.current);
  }

  /** The elements of its files. */
  get tray() {
    return this.#own.map(({ element }) => element);
  }

  /** What it is sent with, or why it can't be sent yet. @returns {{attachments?: Attachment[], problem?: string}} */
  take() {
    const words = this.#words;
    const own = this.#own;
    const missing = own.filter(({ attachment }) => !attachment);
    if (missing.length) return { problem: missing.some(({ problem }) => problem) ? words.failed : words.waits };
    this.#entries = this.#entries.filter((entry) => !own.includes(entry));
    return { attachments: own.flatMap(({ attachment }) => attachment ?? []) };
  }

  /** @param {File[]} files */
  add(files) {
    const { current } = this.#chat;
    if (current === null) return;
    for (const file of files.slice(0, MAX_FILES - this.#own.length)) this.#addOne(current, file);
    this.#chat.notice = files.length && this.#own.length >= MAX_FILES ? this.#words.count : "";
    this.#changed();
  }

  /** @type {(conversation: number, file: File) => void} */
  #addOne(conversation, file) {
    const h = this.#h;
    const words = this.#words;
    const name = file.name || words.file;
    const progress = h("progress", { max: 1, value: 0, "aria-label": name });
    const state = h("span", { class: "state", role: "status" });
    const retry = h("button", { type: "button", class: "link", hidden: true }, this.#chat.words.retry);
    const remove = h("button", { type: "button", class: "link" }, words.remove);
    const element = h("li", null, h("bdi", null, name), progress, state, retry, remove);
    /** @type {Entry} */
    const entry = { conversation, name, element };
    const show = (/** @type {string} */ problem, mayRetry = false) => {
      entry.problem = problem;
      state.textContent = problem;
      progress.hidden = Boolean(problem || entry.attachment);
      retry.hidden = !mayRetry;
      element.classList.toggle("failed", problem !== "");
    };
    const upload = async () => {
      if (!this.#entries.includes(entry)) return;
      const { status, body } = await this.#post(conversation, file, name, (share) => (progress.value = share));
      if (status === 201) entry.attachment = body.attachment;
      if (status === 201) show("");
      else if (status === 413) show(words.size);
      else if (status === 422 || status === 415) show(words.type);
      else show(words.lost, true);
    };
    const start = () => {
      show("");
      this.#queue = this.#queue.then(upload);
    };
    retry.onclick = start;
    remove.onclick = () => {
      this.#entries = this.#entries.filter((each) => each !== entry);
      this.#changed();
    };
    this.#entries.push(entry);
    if (file.size > MAX_BYTES) show(words.size);
    else start();
  }

  /** @type {(conversation: number, file: File, name: string, progress: (share: number) => void) => Promise<{status: number, body: any}>} */
  #post(conversation, file, name, progress) {
    const request = new XMLHttpRequest(); // fetch does not report progress
    const form = new FormData();
    form.append("file", file, name);
    request.open("POST", `/conversations/${conversation}/attachments`);
    request.responseType = "json";
    request.timeout = TIMEOUT;
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Authorization", `Bearer ${this.#chat.token}`);
    request.upload.onprogress = ({ loaded, total }) => progress(loaded / (total || 1));
    return new Promise((resolve) => {
      request.onloadend = () => resolve({ status: request.status, body: request.response });
      request.send(form);
    });
  }

  // Of messages

  /** @param {Attachment[]} attachments */
  shown(attachments) {
    const h = this.#h;
    return h("ul", { class: "files" }, attachments.map((each) => h("li", null, this.#one(each))));
  }

  /** @param {Attachment} attachment */
  #one({ name, size, url, thumbnail_url, width, height }) {
    const h = this.#h;
    const onclick = () => this.#save(url, name);
    if (!thumbnail_url || !width || !height) {
      return h("button", { type: "button", class: "file", onclick }, h("bdi", null, name), h("span", null, ` ${measure(size)}`));
    }
    const scale = Math.min(1, LARGEST / Math.max(width, height));
    const picture = h("img", { alt: name, width: Math.round(width * scale), height: Math.round(height * scale) });
    this.#fetch(thumbnail_url).then((address) => (picture.src = address), () => {});
    return h("button", { type: "button", class: "picture", title: name, onclick }, picture);
  }

  /** @type {(url: string, name: string) => Promise<void>} */
  async #save(url, name) {
    try {
      this.#h("a", { href: await this.#fetch(url), download: name }).click();
    } catch {
      this.#chat.notice = this.#words.gone;
      this.#changed();
    }
  }

  /** Elements can't send a token. @param {string} url */
  #fetch(url) {
    const known = this.#fetched.get(url) ?? this.#fetchNow(url);
    this.#fetched.set(url, known);
    known.catch(() => this.#fetched.delete(url));
    return known;
  }

  /** @param {string} url */
  async #fetchNow(url) {
    const headers = { Authorization: `Bearer ${this.#chat.token}` };
    const answer = await fetch(url, { headers, credentials: "omit" });
    if (!answer.ok) throw new Error(`The file was answered with ${answer.status}.`);
    return URL.createObjectURL(await answer.blob());
  }
}

/** Loads the words of the page's language. @type {(chat: Chat, h: H, changed: () => void) => Promise<Files>} */
export async function load(chat, h, changed) {
  const { default: words } = await import(`./languages/${document.documentElement.lang}.js`);
  return new Files(chat, h, words, changed);
}

/** @param {number} size  in bytes */
function measure(size) {
  const power = Math.min(2, Math.floor(Math.log10(size || 1) / 3));
  return `${Math.ceil(size / 1000 ** power)} ${UNITS[power]}`;
}
