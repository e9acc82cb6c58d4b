/** What this browser keeps of the chat. What it refuses to keep stays in memory. */
export class Storage {
  #prefix;
  /** @type {Map<string, unknown>} */
  #memory = new Map();

  /** @param {string} key  of the website */
  constructor(key) {
    this.#prefix = `rtapp.chat.${key}`;
  }

  /** @type {(name: string) => any} */
  get(name) {
    if (this.#memory.has(name)) return this.#memory.get(name);
    try {
      const text = localStorage.getItem(this.#prefix + name);
      return name ? JSON.parse(text ?? "null") : text;
    } catch {
      return null;
    }
  }

  /** null removes it. The value of "", the token, is text as the website's page keeps it. @type {(name: string, value: unknown) => void} */
  set(name, value) {
    this.#memory.delete(name);
    try {
      if (value === null) localStorage.removeItem(this.#prefix + name);
      else localStorage.setItem(this.#prefix + name, name ? JSON.stringify(value) : String(value));
    } catch {
      this.#memory.set(name, value);
    }
  }

  /** @type {(beginning: string) => string[]} */
  names(beginning) {
    const names = [...this.#memory.keys()];
    try {
      for (const name of Object.keys(localStorage)) {
        if (name.startsWith(this.#prefix)) names.push(name.slice(this.#prefix.length));
      }
    } catch {
      // no storage here
    }
    return names.filter((name) => name.startsWith(beginning));
  }
}
