/** Unsent text, per user and conversation, kept through reloads and closed tabs. */

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

  /** @param {number | string} conversation */
  read(conversation) {
    try {
      const { content, private: isPrivate } = JSON.parse(this.#storage.getItem(this.#prefix + conversation) ?? "null") ?? {};
      return { content: typeof content === "string" ? content : "", private: isPrivate === true };
    } catch {
      return { content: "", private: false };
    }
  }

  /** @type {(conversation: number | string, draft: {content: string, private?: boolean}) => void} */
  write(conversation, { content, private: isPrivate }) {
    try {
      if (content.trim() === "") this.#storage.removeItem(this.#prefix + conversation);
      else this.#storage.setItem(this.#prefix + conversation, JSON.stringify({ content, private: isPrivate }));
    } catch {
      // A draft is a convenience.
    }
  }

  /** At sign-out: the next user of the browser must not find them. */
  clear() {
    for (const key of Object.keys(this.#storage)) {
      if (key.startsWith(this.#prefix)) this.#storage.removeItem(key);
    }
  }
}
