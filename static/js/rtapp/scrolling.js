/** Stays at the newest message for whoever is there, and elsewhere for whoever reads there. */

const NEAR_BOTTOM = 80; // px

/** The thread is laid out from its end (column-reverse): 0 is the bottom, also without this script. */
export function startScrolling(page) {
  const thread = document.getElementById("thread-scroll");
  if (!thread) return { isAtBottom: () => false };
  const newer = document.getElementById("newer");
  const label = newer.querySelector("[data-text]");
  const isAtBottom = () => thread.scrollTop > -NEAR_BOTTOM;
  const toBottom = () => (thread.scrollTop = 0);
  let wasAtBottom = true;
  let height = thread.scrollHeight;
  let missed = false;

  const offer = () => {
    newer.hidden = isAtBottom();
    if (newer.hidden) missed = false;
    label.textContent = missed ? "New messages" : "Jump to latest";
    newer.classList.toggle("primary", missed);
  };
  newer.addEventListener("click", () => {
    toBottom();
    thread.focus({ preventScroll: true });
  });
  thread.addEventListener("scroll", offer, { passive: true });

  const shown = document.getElementById(location.hash.slice(1));
  if (shown?.matches(".message")) shown.scrollIntoView({ block: "center" });

  return {
    isAtBottom,
    toBottom,
    before: () => {
      wasAtBottom = isAtBottom();
      height = thread.scrollHeight;
    },
    changed: (arrived) => {
      const appended = arrived.some((element) => element.matches("#messages > .message:last-child"));
      if (wasAtBottom) return toBottom();
      if (!appended) return; // above, where the distance from the end stays the same
      thread.scrollTop -= thread.scrollHeight - height;
      missed = true;
      offer();
    },
  };
}
