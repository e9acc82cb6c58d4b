/** Editing and quoting: their modules are loaded when they are first needed. */

/** @import { Composer, Editing, OpenConversation, Part } from "./types" */

import { closest } from "./dom.js";

/** @type {(page: OpenConversation, list: HTMLElement, composer: Composer | null) => Part} */
export function startMessageActions(page, list, composer) {
  /** @type {Editing | null} */
  let editing = null;
  const startEditing = async () => {
    const module = await import("./on_demand/editing.js");
    return (editing ??= module.startEditing(page, list, composer));
  };
  /** @type {(action: (message: HTMLElement) => Promise<unknown>, message: HTMLElement) => void} */
  const act = (action, message) => {
    action(message).catch(() => page.alert());
  };
  /** @param {HTMLElement} message */
  const edit = async (message) => (await startEditing()).begin(message);
  /** @param {HTMLElement} message */
  const quote = async (message) => {
    const text = /** @type {Composer} */ (composer).text;
    text.focus(); // at once: a phone shows its keyboard only in the event
    await (await import("./on_demand/quoting.js")).quote(page, message, text);
  };

  list.addEventListener("click", (event) => {
    const message = /** @type {HTMLElement | undefined} */ (closest(event, ".change, .quote")?.closest(".message"));
    if (!message || event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    act(closest(event, ".change") ? edit : quote, message);
  });
  list.toggleAttribute("data-quotable", composer !== null);
  if (page.drafts.has("edit.")) startEditing().catch(() => {}); // a reload has interrupted one
  return {
    carry: (old, incoming) => editing?.carry(old, incoming),
    changed: (arrived) => editing?.changed(arrived),
  };
}
