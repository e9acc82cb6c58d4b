/** @import { Page } from "../types" */

import { find } from "../dom.js";
import { messageId } from "../messages.js";
import { loadPage } from "../paging.js";

/**
 * Takes a content that was too long for an event from the page of its message. It stays marked if that fails.
 *
 * @type {(message: HTMLElement, page: Page) => Promise<void>}
 */
export async function complete(message, { conversation }) {
  const { loaded } = await loadPage(`/conversations/${conversation}?message=${messageId(message)}`, { part: "thread" });
  const content = loaded?.querySelector(`#${message.id} .content`);
  if (!content) return;
  find(message, ".content").replaceWith(content);
  delete message.dataset.truncated;
}
