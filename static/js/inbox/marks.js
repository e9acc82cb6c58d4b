/** Marks the rows of conversations with a draft, or with a message that could not be sent. */

/** @import { Page, Part } from "./types" */

import { byId, findAll } from "./dom.js";
import { isBlank } from "./text.js";

/**
 * @param {Page} page
 * @returns {Part}
 */
export function startMarks({ drafts, unsent }) {
  const onServer = new Set(JSON.parse(byId("conversations").dataset.drafted ?? "[]").map(String));

  /** @param {string} conversation */
  const hasDraft = (conversation) => {
    const { reply, note, version } = drafts.read(conversation);
    return version || reply || note ? !isBlank(reply + note) : onServer.has(conversation);
  };
  /** @param {HTMLElement} row */
  const mark = (row) => {
    const { conversation = "" } = row.dataset;
    row.toggleAttribute("data-draft", hasDraft(conversation));
    row.toggleAttribute("data-unsent", unsent.of(conversation).length > 0);
  };
  /** @param {string} conversation */
  const markOne = (conversation) => {
    const row = document.getElementById(`conversation-${conversation}`);
    if (row) mark(row);
  };

  drafts.listen(markOne);
  unsent.listen(({ conversation }) => markOne(conversation));
  findAll(document, "#conversations > .row").forEach(mark);
  return { changed: (arrived) => arrived.filter((element) => element.matches(".row")).forEach(mark) };
}
