/**
 * What the user wrote and did not send: kept in the browser with each key, through reloads and closed tabs, and replies and
 * notes on the server too, for the user's other devices.
 *
 * What the server has is kept under a key of its own: a tab that stores it must not put back an older text over what another
 * tab has written meanwhile, which the browser shows it a moment later. If two tabs write at once, the last one replaces the
 * other's text; the tab that wrote that finds by `base` that its own was not seen, and offers it.
 */

/** @import { Draft, Environment, Perform, ServerDraft, Texts } from "./types" */

import { randomId } from "./random_id.js";
import { isBlank } from "./text.js";

const SAVE_DELAY = 1_000; // ms after the last key
const SERVER = ".server"; // after a conversation: what the server has
const NOTHING = { reply: "", note: "" };
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
  /** @type {Map<string, any>} the newest text that this page has written or received, by conversation */
  #latest = new Map();
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
    return draftOf(this.texts(conversation), this.texts(conversation + SERVER));
  }

  /** @type {(conversation: string, texts: {reply: string, note: string, private: boolean, since: number}) => void} */
  write(conversation, texts) {
    this.#store(conversation, { ...this.read(conversation), ...texts });
    this.#changed(conversation);
  }

  /**
   * Takes the server's draft for a conversation that is opened, unless something newer was written here.
   *
   * @type {(conversation: string, saved: ServerDraft) => void}
   */
  take(conversation, saved) {
    if (saved.version > this.read(conversation).version) this.#merge(conversation, saved); // else the page is older than what another tab has saved
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
    if (!key?.startsWith(this.#prefix) || newValue === null) return;
    const conversation = key.slice(this.#prefix.length);
    const mine = this.#latest.get(conversation);
    const theirs = JSON.parse(newValue);
    this.#latest.set(conversation, theirs);
    const present = this.read(conversation);
    const all = mine && theirs.base !== mine.id ? united(draftOf(mine), present) : present;
    if (textOf(all) !== textOf(present)) this.#store(conversation, all);
    this.#changed(conversation);
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
    const { reply, note, version, isSaved, saved, posted } = this.read(conversation);
    if (isSaved) return;
    this.keep(conversation + SERVER, { ...saved, version, posted: [...posted, { reply, note }].slice(-POSTED) });
    try {
      /** @type {any} */
      const answer = await this.#perform(`conversation:${conversation}`, "draft", { reply, note, version });
      if (!this.texts(conversation)) return; // a sign-out in another tab has deleted it meanwhile
      this.keep(conversation + SERVER, { reply, note, version: answer.version });
      if (!this.read(conversation).isSaved) this.#saveSoon(conversation);
    } catch (error) {
      const current = /** @type {any} */ (error).problem?.current;
      if (/** @type {any} */ (error).status === 409 && current) this.#merge(conversation, current);
      // Else it is kept here, until the connection is back.
    }
  }

  /**
   * The server has a draft that another device has written. Nothing of either is lost.
   *
   * @type {(conversation: string, saved: ServerDraft) => void}
   */
  #merge(conversation, { reply, note, version }) {
    const own = this.read(conversation);
    const isOwn = own.posted.some((posted) => posted.reply === reply && posted.note === note); // its answer was lost
    this.keep(conversation + SERVER, { reply, note, version });
    if (!isOwn) for (const kind of /** @type {const} */ (["reply", "note"])) if (own[kind] === own.saved[kind]) own[kind] = ""; // only the other one has changed it
    this.#store(conversation, isOwn ? own : united({ reply, note, other: NOTHING }, own));
    this.#changed(conversation);
  }

  /** @type {(conversation: string, draft: Draft) => void} */
  #store(conversation, { reply, note, private: isPrivate, since, other }) {
    const { isSaved, version } = this.read(conversation);
    const seen = this.#latest.get(conversation) ?? this.texts(conversation); // without a newer one, what the box began with
    const texts = { reply, note, private: isPrivate, since, other, id: randomId(), base: seen?.id };
    const isEmpty = textOf(texts) === "";
    this.#latest.set(conversation, texts);
    this.keep(conversation, isEmpty && isSaved && version === 0 ? null : texts);
    if (!this.read(conversation).isSaved) this.#saveSoon(conversation);
  }
}

/** @type {(texts: any, server?: any) => Draft} */
function draftOf(texts, server) {
  const { private: isPrivate, since = 0, other } = texts ?? {};
  const [written, saved, posted] = [textsOf(texts), textsOf(server), server?.posted ?? []];
  return {
    ...written,
    private: isPrivate === true,
    version: server?.version ?? 0,
    since,
    saved,
    posted,
    isSaved: !posted[0] && written.reply === saved.reply && written.note === saved.note,
    other: textsOf(other),
  };
}

/** Adds to a draft what of another one is missing in it. @type {(missing: Written, draft: Draft) => Draft} */
function united(missing, draft) {
  const all = { ...draft, other: { ...draft.other } };
  for (const kind of /** @type {const} */ (["reply", "note"])) {
    for (const text of [missing[kind], missing.other[kind]]) {
      if (isBlank(text) || (all[kind] + all.other[kind]).includes(text)) continue;
      if (isBlank(all[kind])) all[kind] = text;
      else all.other[kind] += (all.other[kind] && "\n\n") + text;
    }
  }
  return all;
}

/** @typedef {{reply: string, note: string, other: {reply: string, note: string}}} Written */

/** @param {Written} written */
function textOf({ reply, note, other }) {
  return reply + note + other.reply + other.note;
}

/** @param {any} texts */
function textsOf(texts) {
  return { reply: String(texts?.reply ?? ""), note: String(texts?.note ?? "") };
}
