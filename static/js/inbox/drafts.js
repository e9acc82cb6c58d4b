/** Unsent text, per user and conversation, kept through reloads and closed tabs. */

export class Drafts {
  #storage;
  #prefix;

  /**
   * @param {Storage} storage  may refuse (full, or forbidden): drafts are a convenience
   * @param {number | string} user
   */
  constructor(storage, user) {
    this.#storage = storage;
    this.#prefix = `rtapp.draft.${user}.`;
  }

  /**
   * A note comes back as a note, never as a reply.
   *
   * @param {number | string} conversation
   */
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
      // Without storage, it lasts as long as the page.
    }
  }

  /** Removes all drafts of the user, who signs out: the next user of the browser must not find them. */
  clear() {
    for (const key of Object.keys(this.#storage)) {
      if (key.startsWith(this.#prefix)) this.#storage.removeItem(key);
    }
  }
}
