/**
 * What the user wrote and did not send: kept in the browser with each key, through reloads and closed tabs, and replies and
 * notes on the server too, for the user's other devices.
 */

/** @import { Draft, Environment, Perform, ServerDraft, Texts } from "./types" */

import { isBlank } from "./text.js";

const SAVE_DELAY = 1_000; // ms after the last key
const POSTED = 9; // texts whose answers were lost, of which the server may have any
const FLUSHES = 3; // attempts: the first may find what another device has written

export class Drafts {
  #storage;
  #prefix;
  #perform;
  #timers;
  /** @type {Map<string, any>} by conversation */
  #due = new Map();
  /** @type {Map<string, Promise<void>>} by conversation */
  #saving = new Map();
  /** @type {Map<string, Texts | null>} by key */
  #unstored = new Map();
  /** @type {Map<string, Texts>} that this page has written, by key */
  #written = new Map();
  /** @type {Set<(conversation: string) => void>} */
  #listeners = new Set();

  /**
   * @param {Storage} storage  may throw
   * @param {number | string} user
   * @param {Perform} perform  an action
   * @param {Environment} [environment]
   */
  constructor(storage, user, perform, { timers = globalThis, events = globalThis } = {}) {
    this.#storage = storage;
    this.#prefix = `rtapp.draft.${user}.`;
    this.#perform = perform;
    this.#timers = timers;
    events.addEventListener?.("storage", (event) => this.#stored(/** @type {StorageEvent} */ (event)));
  }

  // Any text, by the key of its form

  /** @type {(key: string) => Texts | null} */
  texts(key) {
    if (this.#unstored.has(key)) return this.#unstored.get(key) ?? null;
    try {
      return JSON.parse(this.#storage.getItem(this.#prefix + key) ?? "null");
    } catch {
      return null;
    }
  }

  /** @type {(key: string, texts: Texts | null) => void} null: it was sent, or is not wanted */
  keep(key, texts) {
    if (texts) this.#written.set(key, texts);
    else this.#written.delete(key);
    try {
      if (texts) this.#storage.setItem(this.#prefix + key, JSON.stringify(texts));
      else this.#storage.removeItem(this.#prefix + key);
      this.#unstored.delete(key);
    } catch {
      this.#unstored.set(key, texts); // the storage is full or forbidden: it lasts as long as the page
    }
  }

  /** Whether there are texts whose key begins so. @param {string} start */
  has(start) {
    return this.#keys().some((key) => key.startsWith(start));
  }

  /** At sign-out: the next user of the browser must not find them. */
  clear() {
    for (const key of this.#keys()) this.keep(key, null);
    this.#written.clear();
  }

  /** Before this page is left after a sign-out in another tab, which has deleted what stands in it. */
  restore() {
    for (const [key, texts] of this.#written) if (!this.texts(key)) this.keep(key, texts);
  }

  /** @returns {string[]} */
  #keys() {
    const stored = Object.keys(this.#storage).filter((key) => key.startsWith(this.#prefix));
    return [...new Set([...stored.map((key) => key.slice(this.#prefix.length)), ...this.#unstored.keys()])];
  }

  // The reply and the note of a conversation

  /** @type {(conversation: string) => Draft} */
  read(conversation) {
    return draftOf(this.texts(conversation) ?? {});
  }

  /** @type {(conversation: string, texts: {reply: string, note: string, private: boolean, since: number}) => void} */
  write(conversation, texts) {
    const before = this.read(conversation);
    const isSaved = before.isSaved && texts.reply === before.reply && texts.note === before.note;
    this.#store(conversation, { ...before, ...texts, isSaved });
    this.#changed(conversation);
    if (!isSaved) this.#saveSoon(conversation);
  }

  /**
   * Takes the server's draft for a conversation that is opened, unless something newer was written here.
   *
   * @type {(conversation: string, saved: ServerDraft) => void}
   */
  take(conversation, saved) {
    const own = this.read(conversation);
    if (saved.version > own.version) this.#merge(conversation, saved); // else the page is older than what another tab has saved
    if (!this.read(conversation).isSaved) this.#saveSoon(conversation);
  }

  /** @type {(conversation: string, kind: "reply" | "note") => void} the text from another device is not wanted, or taken */
  dropOther(conversation, kind) {
    const draft = this.read(conversation);
    this.#store(conversation, { ...draft, other: { ...draft.other, [kind]: "" } });
  }

  /** @type {(listener: (conversation: string) => void, signal?: AbortSignal) => void} called when a draft has changed */
  listen(listener, signal) {
    this.#listeners.add(listener);
    signal?.addEventListener("abort", () => this.#listeners.delete(listener));
  }

  /** Another tab has written. A removal is no change: at a sign-out the text stays in the box. @param {StorageEvent} event */
  #stored({ key, newValue }) {
    if (key?.startsWith(this.#prefix) && newValue !== null) this.#changed(key.slice(this.#prefix.length));
  }

  /** @param {string} conversation */
  #changed(conversation) {
    this.#listeners.forEach((listener) => listener(conversation));
  }

  /** Sends what the server has not got. */
  connected() {
    this.#unsaved().forEach((conversation) => this.#saveSoon(conversation));
  }

  #unsaved() {
    return this.#keys().filter((key) => /^\d+$/.test(key) && !this.read(key).isSaved);
  }

  /** Whether all replies and notes are on the server. */
  async flush() {
    for (let attempt = 0; attempt < FLUSHES && this.#unsaved().length > 0; attempt++) {
      await Promise.all(this.#unsaved().map((key) => this.#save(key)));
    }
    return this.#unsaved().length === 0;
  }

  /** @param {string} conversation */
  #saveSoon(conversation) {
    this.#timers.clearTimeout(this.#due.get(conversation));
    this.#due.set(conversation, this.#timers.setTimeout(() => this.#save(conversation), SAVE_DELAY));
  }

  /** One after the other: a second one would be refused by what the first has written. @param {string} conversation */
  #save(conversation) {
    this.#timers.clearTimeout(this.#due.get(conversation));
    const saving = (this.#saving.get(conversation) ?? Promise.resolve()).then(() => this.#post(conversation));
    this.#saving.set(conversation, saving);
    return saving;
  }

  /** @param {string} conversation */
  async #post(conversation) {
    const draft = this.read(conversation);
    const { reply, note, version } = draft;
    if (draft.isSaved) return;
    this.#store(conversation, { ...draft, posted: [...draft.posted, { reply, note }].slice(-POSTED) });
    try {
      /** @type {any} */
      const saved = await this.#perform(`conversation:${conversation}`, "draft", { reply, note, version });
      this.#saved(conversation, { reply, note, version: saved.version });
    } catch (error) {
      const current = /** @type {any} */ (error).problem?.current;
      if (/** @type {any} */ (error).status === 409 && current) this.#merge(conversation, current);
      // Else it is kept here, until the connection is back.
    }
  }

  /** @type {(conversation: string, saved: ServerDraft) => void} */
  #saved(conversation, { reply, note, version }) {
    if (!this.texts(conversation)) return; // a sign-out in another tab has deleted it meanwhile
    const draft = this.read(conversation);
    const isSaved = draft.reply === reply && draft.note === note;
    this.#store(conversation, { ...draft, version, isSaved, posted: [] });
    if (!isSaved) this.#saveSoon(conversation);
  }

  /**
   * The server has a draft that another device has written. Nothing of either is lost.
   *
   * @type {(conversation: string, saved: ServerDraft) => void}
   */
  #merge(conversation, saved) {
    const own = this.read(conversation);
    const isOwn = own.posted.some(({ reply, note }) => saved.reply === reply && saved.note === note); // its answer was lost
    const merged = { ...own, version: saved.version, posted: [], other: { ...own.other } };
    for (const kind of isOwn ? [] : /** @type {const} */ (["reply", "note"])) {
      if (own.isSaved || isBlank(own[kind])) merged[kind] = saved[kind];
      else if (!isBlank(saved[kind]) && !own[kind].includes(saved[kind])) merged.other[kind] = saved[kind];
    }
    merged.isSaved = merged.reply === saved.reply && merged.note === saved.note;
    this.#store(conversation, merged);
    this.#changed(conversation);
    if (!merged.isSaved) this.#saveSoon(conversation);
  }

  /** @type {(conversation: string, draft: Draft) => void} */
  #store(conversation, draft) {
    const { reply, note, other, isSaved } = draft;
    const isEmpty = [reply, note, other.reply, other.note].every((text) => text === "");
    this.keep(conversation, isEmpty && isSaved && draft.version === 0 ? null : { .../** @type {any} */ (draft) });
  }
}

/** @type {(kept: Record<string, any>) => Draft} */
function draftOf({ reply, note, private: isPrivate, version, isSaved, since, posted, other }) {
  return {
    reply: text(reply),
    note: text(note),
    private: isPrivate === true,
    version: Number(version) || 0,
    since: Number(since) || 0,
    posted: [posted ?? []].flat(),
    isSaved: isSaved ?? !(reply || note),
    other: { reply: text(other?.reply), note: text(other?.note) },
  };
}

/** @param {unknown} value */
function text(value) {
  return typeof value === "string" ? value : "";
}
