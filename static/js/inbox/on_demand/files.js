/**
 * Files of the message that is being written: chosen, pasted or dropped. Each is uploaded at once, one after the other, and sent
 * with the message. A reply and a note have files of their own, as they have texts of their own. A tab keeps them through reloads.
 */

/** @import { Attachment } from "../../connector/connector" */
/** @import { OpenConversation } from "../types" */

import { byId, clone, field, find } from "../dom.js";

const MAX_FILES = 10; // as on the server
const MAX_BYTES = 10 * 1024 * 1024;
const TIMEOUT = 300_000; // ms

/** @typedef {{name: string, element: HTMLElement, attachment?: Attachment, isRemoved?: boolean}} Entry */

export class Files {
  #page;
  #form;
  #isNote;
  /** @type {Record<"reply" | "note", Entry[]>} */
  #entries = { reply: [], note: [] };
  #list = byId("files");
  #queue = Promise.resolve();
  #key;

  /**
   * @param {OpenConversation} page
   * @param {HTMLFormElement} form  the composer
   * @param {() => boolean} isNote
   */
  constructor(page, form, isNote) {
    this.#page = page;
    this.#form = form;
    this.#isNote = isNote;
    this.#key = `rtapp.files.${page.user}.${page.conversation}`;
    this.#restore();
    const input = /** @type {HTMLInputElement} */ (find(form, 'input[type="file"]'));
    input.addEventListener("change", () => this.#chosen(input));
    form.addEventListener("paste", (event) => this.#pasted(event));
    form.addEventListener("submit", (event) => this.#submitted(event), { capture: true });
    form.addEventListener("focusin", () => this.#show());
    field(form, "private").addEventListener("change", () => this.#show());
    addEventListener("dragover", (event) => this.#dragged(event), { signal: page.closed });
    addEventListener("dragleave", ({ relatedTarget }) => relatedTarget || this.#drop(false), { signal: page.closed });
    addEventListener("drop", (event) => this.#dropped(event), { signal: page.closed });
    this.#chosen(input); // before this module was loaded
  }

  get count() {
    return this.#own.length;
  }

  /** What the message has of its files, which are no longer here. undefined without any. */
  take() {
    const taken = this.#own.splice(0);
    this.#save();
    this.#show();
    if (!taken.length) return undefined;
    return { attachments: taken.map(({ attachment }) => attachment?.key ?? ""), files: taken.map(({ name }) => name).join(", ") };
  }

  get #own() {
    return this.#entries[this.#isNote() ? "note" : "reply"];
  }

  // Where they come from

  /** @param {HTMLInputElement} input */
  #chosen(input) {
    this.#addAll(input.files);
    input.value = "";
  }

  /** A copied table is a text and a picture: it is the text. @param {ClipboardEvent} event */
  #pasted(event) {
    const { files, types } = event.clipboardData ?? {};
    if (!files?.length || types?.includes("text/plain")) return;
    event.preventDefault();
    this.#addAll(files);
  }

  /** @param {DragEvent} event */
  #dragged(event) {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault(); // else the browser would leave the page for the file
    this.#drop(true);
  }

  /** @param {DragEvent} event */
  #dropped(event) {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    this.#drop(false);
    this.#addAll(event.dataTransfer.files);
  }

  /** @param {boolean} isOver */
  #drop(isOver) {
    this.#form.toggleAttribute("data-drop", isOver);
  }

  /** @param {FileList | null} files */
  #addAll(files) {
    if (!files?.length) return;
    const own = this.#own;
    const room = MAX_FILES - own.length;
    const added = [...files].slice(0, room);
    for (const file of added) this.#add(own, file);
    this.#say(files.length > room ? `A message may have ${MAX_FILES} files. The others were left out.` : "");
    this.#show();
  }

  /** @type {(own: Entry[], file: File) => void} */
  #add(own, file) {
    const entry = this.#entry(own, file.name);
    const upload = () => {
      showState(entry, "waiting", "Waiting…");
      this.#queue = this.#queue.then(() => (entry.isRemoved ? undefined : this.#upload(entry, file)));
    };
    find(entry.element, "[data-retry]").addEventListener("click", upload);
    if (file.size > MAX_BYTES) showState(entry, "refused", "It is larger than 10 MiB.");
    else upload();
  }

  /** @type {(own: Entry[], name: string) => Entry} */
  #entry(own, name) {
    const element = clone(byId("file-to-send"));
    find(element, "[data-name]").textContent = name;
    find(element, "progress").ariaLabel = `Uploading ${name}`;
    const remove = find(element, "[data-remove]");
    remove.ariaLabel = `Remove ${name}`;
    /** @type {Entry} */
    const entry = { name, element };
    remove.addEventListener("click", () => {
      entry.isRemoved = true;
      own.splice(own.indexOf(entry), 1);
      this.#save();
      this.#say("");
      this.#show();
      find(this.#form, "textarea").focus();
    });
    own.push(entry);
    return entry;
  }

  // Uploading

  /** @type {(entry: Entry, file: File) => Promise<void>} */
  async #upload(entry, file) {
    showState(entry, "uploading", "");
    let { status, body } = await this.#post(entry, file);
    if (status === 401 && (await this.#page.session.renew().catch(() => false))) ({ status, body } = await this.#post(entry, file));
    if (status === 201) {
      entry.attachment = body.attachment;
      showState(entry, "ready", "Uploaded");
      this.#say("");
      this.#save();
    } else if (status === 401) showState(entry, "failed", this.#page.session.problem);
    else if (status === 0) showState(entry, "failed", "No answer from the server.");
    else showState(entry, status === 422 || status === 413 ? "refused" : "failed", body?.detail ?? "The server refused this file.");
  }

  /** @type {(entry: Entry, file: File) => Promise<{status: number, body: any}>} */
  #post({ element }, file) {
    const request = new XMLHttpRequest(); // fetch does not report progress
    const form = new FormData();
    form.append("file", file, file.name || "file");
    request.open("POST", `/conversations/${this.#page.conversation}/attachments`);
    request.responseType = "json";
    request.timeout = TIMEOUT;
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-CSRF-Token", this.#page.session.csrf);
    request.upload.onprogress = ({ loaded, total }) => (find(element, "progress").value = loaded / (total || 1));
    return new Promise((resolve) => {
      request.onloadend = () => resolve({ status: request.status, body: request.response });
      request.send(form);
    });
  }

  // Sending

  /** Before the composer, which would send the message without them. @param {SubmitEvent} event */
  #submitted(event) {
    const missing = this.#own.filter(({ attachment }) => !attachment);
    if (!missing.length) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const hasFailed = missing.some(({ element }) => ["failed", "refused"].includes(element.dataset.state ?? ""));
    this.#say(hasFailed ? "A file could not be uploaded: try it again, or remove it." : "It is sent once the files are uploaded.");
    if (!hasFailed) this.#sendLater(this.#own, field(this.#form, "content").value);
  }

  /** Unless something was changed meanwhile. @type {(own: Entry[], text: string) => Promise<void>} */
  async #sendLater(own, text) {
    const entries = [...own];
    await this.#queue;
    const isSame = own === this.#own && own.length === entries.length && field(this.#form, "content").value === text;
    if (isSame && !this.#page.closed.aborted && own.every(({ attachment }, n) => attachment && own[n] === entries[n])) this.#form.requestSubmit();
  }

  /** @param {string} problem */
  #say(problem) {
    byId("composer-problem").textContent = problem;
  }

  #show() {
    const own = this.#own;
    const shown = own.map(({ element }) => element);
    const isShown = shown.length === this.#list.children.length && shown.every((element, n) => element === this.#list.children[n]);
    if (!isShown) this.#list.replaceChildren(...shown); // a button that is moved while it is pressed is not clicked
    this.#list.hidden = !own.length;
    /** @type {HTMLTextAreaElement} */
    const text = field(this.#form, "content");
    text.required = !own.length;
  }

  // Storage: of this tab

  #save() {
    const ready = (/** @type {Entry[]} */ own) => own.flatMap(({ attachment }) => attachment ?? []);
    const { reply, note } = this.#entries;
    try {
      sessionStorage.setItem(this.#key, JSON.stringify({ reply: ready(reply), note: ready(note) }));
    } catch {
      // Forbidden: they last as long as the page.
    }
  }

  #restore() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(this.#key) ?? "{}");
      for (const kind of /** @type {const} */ (["reply", "note"])) {
        for (const attachment of kept[kind] ?? []) {
          const entry = this.#entry(this.#entries[kind], attachment.name);
          entry.attachment = attachment;
          showState(entry, "ready", "Uploaded");
        }
      }
    } catch {
      // As in #save.
    }
    this.#show();
  }
}

/** @type {(entry: Entry, state: string, text: string) => void} */
function showState({ element }, state, text) {
  element.dataset.state = state;
  find(element, "[data-text]").textContent = text;
  find(element, "progress").hidden = state !== "uploading";
  find(element, "[data-retry]").hidden = state !== "failed";
}
