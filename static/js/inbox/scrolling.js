/** Stays at the newest message for whoever is there, and elsewhere for whoever reads there. */

const NEAR_BOTTOM = 80; // px

/** The thread is laid out from its end (column-reverse): 0 is the bottom, also without this script. */
export function startScrolling(page) {
  const thread = document.getElementById("thread-scroll");
  if (!thread) return { isAtBottom: () => false };
  const list = document.getElementById("messages");
  const newer = document.getElementById("newer");
  const label = newer.querySelector("[data-text]");
  let top = 0; // as it was last: asking for it lays out the page, which must not happen for each event
  let wasAtBottom = true;
  let height = null; // before what came since the last frame
  let isDue = false; // making good for what came
  let isHolding = false;
  let missed = false;

  const isAtBottom = () => list.dataset.newest === "true" && top > -NEAR_BOTTOM;
  const offer = () => {
    newer.hidden = isAtBottom();
    if (newer.hidden) missed = false;
    label.textContent = missed ? "New messages" : "Jump to latest";
    newer.classList.toggle("primary", missed);
  };
  const scrolled = () => {
    top = thread.scrollTop;
    offer();
  };
  const toBottom = () => {
    if (top === 0) return;
    thread.scrollTop = top = 0;
    offer();
  };
  const toLatest = async () => {
    if (list.dataset.newest !== "true") await page.thread.toNewest();
    scrolled();
    if (list.dataset.newest === "true") toBottom();
  };
  const miss = () => {
    missed = true;
    offer();
  };
  /** What has been added below must not move what one reads. Once a frame, as it lays out the page. */
  const makeGood = () => {
    if (isDue) thread.scrollTop -= thread.scrollHeight - height;
    isDue = false;
    height = null;
    scrolled();
  };
  newer.addEventListener("click", async () => {
    await toLatest();
    thread.focus({ preventScroll: true });
  });
  thread.addEventListener("scroll", scrolled, { passive: true });

  const shown = document.getElementById(location.hash.slice(1));
  if (shown?.matches(".message")) shown.scrollIntoView({ block: "center" });
  scrolled();

  return {
    isAtBottom,
    toLatest,
    miss,
    /** Does what adds older messages, or newer ones below what one reads. */
    holding: (add, { below }) => {
      makeGood();
      height = thread.scrollHeight;
      isHolding = true;
      add();
      isHolding = false;
      isDue = below;
      makeGood();
    },
    before: () => {
      wasAtBottom = isAtBottom();
      if (!wasAtBottom) height ??= thread.scrollHeight;
    },
    changed: (arrived) => {
      if (isHolding) return;
      if (wasAtBottom) return toBottom();
      const appended = arrived.some((element) => element.matches("#messages > .message:last-child"));
      if (appended) {
        if (!isDue) requestAnimationFrame(() => isDue && makeGood());
        isDue = true;
        miss();
      } else if (!isDue) {
        height = null; // above, where the distance from the end stays the same
      }
    },
  };
}
