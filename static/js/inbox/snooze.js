/** Until when a conversation sleeps, in the reader's own time. */

const MORNING = 9; // o'clock

/** `hours`: in three; `tomorrow`, `week` (next Monday): in the morning. */
export function wakeTime(kind, now = new Date()) {
  const time = new Date(now);
  if (kind === "hours") {
    time.setHours(time.getHours() + 3);
    return time;
  }
  const days = kind === "tomorrow" ? 1 : ((8 - time.getDay()) % 7) || 7;
  time.setDate(time.getDate() + days);
  time.setHours(MORNING, 0, 0, 0);
  return time;
}

export function startSnooze() {
  const form = document.getElementById("snooze");
  if (!form) return;
  form.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-snooze]");
    if (button) button.value = wakeTime(button.dataset.snooze).toISOString(); // the page may have been open for hours
  });
  const other = document.getElementById("snooze-until");
  const field = other.querySelector("input");
  other.hidden = false;
  other.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = document.createElement("button");
    button.name = "snoozed_until";
    button.hidden = true;
    button.value = new Date(field.value).toISOString();
    form.append(button);
    form.requestSubmit(button);
    button.remove();
  });
}
