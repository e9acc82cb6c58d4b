/** The mark "Seen" at the newest reply that the customer has read, from the registry #contact-read. */

import { byId, clone, find } from "./dom.js";
import { messageId } from "./messages.js";

/**
 * @param {HTMLElement} list
 * @returns {import("./types").Part}
 */
export function startSeen(list) {
  let mark = list.querySelector(".seen");

  const place = () => {
    const reply = newestSeen(list, Number(byId("contact-read").value));
    if (mark?.isConnected && mark.closest(".message") === reply) return;
    mark?.remove();
    mark = reply && clone(byId("seen"));
    if (reply && mark) find(reply, ".stamp").prepend(mark, " ");
  };
  return {
    changed: (arrived) => {
      if (arrived.some((element) => element.matches(".message, #contact-read"))) place();
    },
  };
}

/**
 * Neither a note nor a deleted message.
 *
 * @type {(list: HTMLElement, upTo: number) => HTMLElement | null}
 */
function newestSeen(list, upTo) {
  if (upTo === 0) return null;
  for (let element = list.lastElementChild; element; element = element.previousElementSibling) {
    const reply = /** @type {HTMLElement} */ (element);
    const { type, private: isPrivate } = reply.dataset;
    const isReply = type === "outgoing" && isPrivate === "false" && !reply.matches(".deleted");
    if (isReply && messageId(reply) <= upTo) return reply;
  }
  return null;
}
