/** "Seen" at the last of the team's replies that the customer has read. How far that is stands in #contact-read. */

export function startSeen() {
  const list = document.getElementById("messages");
  if (!list) return {};
  let mark = list.querySelector(".seen");

  const place = () => {
    const reply = lastSeen(list, Number(document.getElementById("contact-read").value));
    if (mark?.isConnected && mark.closest(".message") === reply) return;
    mark?.remove();
    mark = reply && document.importNode(document.getElementById("seen").content, true).firstElementChild;
    reply?.querySelector(".stamp").prepend(mark, " ");
  };
  return {
    changed: (arrived) => {
      if (arrived.some((element) => element.matches(".message, #contact-read"))) place();
    },
  };
}

/** Notes are not the customer's to see, and what was deleted is nothing to have seen. */
function lastSeen(list, upTo) {
  if (upTo === 0) return null;
  for (let reply = list.lastElementChild; reply; reply = reply.previousElementSibling) {
    const { type, private: isPrivate } = reply.dataset;
    const isReply = type === "outgoing" && isPrivate === "false" && !reply.matches(".deleted");
    if (isReply && Number(reply.id.replace("message-", "")) <= upTo) return reply;
  }
  return null;
}
