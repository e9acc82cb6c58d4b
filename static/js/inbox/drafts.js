/** Unsent replies and notes, per user and conversation, kept through reloads and closed tabs. */

/** @import { Draft } from "./types" */

export class Drafts {
  #storage;
  #prefix;

  /**
   * @param {Storage} storage  may throw
   * @param {number | string} user
   */
  constructor(storage, user) {
    this.#storage = storage;
    this.#prefix = `rtapp.draft.${user}.`;
  }

  /** @type {(conversation: number | string) => Draft} */
  read(conversation) {
    try {
      return draftOf(JSON.parse(this.#storage.getItem(this.#prefix + conversation) ?? "null") ?? {});
    } catch {
      return draftOf({});
    }
  }

  /** @type {(conversation: number | string, draft: Draft) => void} */
  write(conversation, draft) {
    try {
      this.#storage.setItem(this.#prefix + conversation, JSON.stringify(draft));
      if (draft.reply.trim() === "" && draft.note.trim() === "") this.#storage.removeItem(this.#prefix + conversation);
    } catch {
      // A draft is a convenience.
    }
  }

  /**
   * A removal is no change: at a sign-out the text stays in the box.
   *
   * @type {(event: StorageEvent, conversation: number | string) => Draft | null}
   */
  writtenElsewhere({ key, newValue }, conversation) {
    return key === this.#prefix + conversation && newValue !== null ? this.read(conversation) : null;
  }

  /** At sign-out: the next user of the browser must not find them. */
  clear() {
    for (const key of Object.keys(this.#storage)) {
      if (key.startsWith(this.#prefix)) this.#storage.removeItem(key);
    }
  }
}

/** @type {(kept: {reply?: unknown, note?: unknown, private?: unknown, content?: unknown}) => Draft} `content`: of a former version */
function draftOf({ reply, note, private: isPrivate, content }) {
  const isNote = isPrivate === true;
  return { reply: text(reply ?? (isNote ? "" : content)), note: text(note ?? (isNote ? content : "")), private: isNote };
}

/** @param {unknown} value */
function text(value) {
  return typeof value === "string" ? value : "";
}
