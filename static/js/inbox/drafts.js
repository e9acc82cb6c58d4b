/** What was typed and not sent, per user and conversation, through reloads and closed tabs. */

export class Drafts {
  #storage;
  #prefix;

  /** @param {Storage} storage  may refuse (full, or forbidden): a draft is a convenience */
  constructor(storage, user) {
    this.#storage = storage;
    this.#prefix = `rtapp.draft.${user}.`;
  }

  /** `{content, private}`: a note must not come back as a reply. */
  read(conversation) {
    try {
      const { content, private: isPrivate } = JSON.parse(this.#storage.getItem(this.#prefix + conversation)) ?? {};
      return { content: typeof content === "string" ? content : "", private: isPrivate === true };
    } catch {
      return { content: "", private: false };
    }
  }

  write(conversation, { content, private: isPrivate }) {
    try {
      if (content.trim() === "") this.#storage.removeItem(this.#prefix + conversation);
      else this.#storage.setItem(this.#prefix + conversation, JSON.stringify({ content, private: isPrivate }));
    } catch {
      // Then it lasts as long as the page.
    }
  }

  /** Whoever signs out leaves nothing for the next one at this machine. */
  forget() {
    for (const key of Object.keys(this.#storage)) {
      if (key.startsWith(this.#prefix)) this.#storage.removeItem(key);
    }
  }
}
