import { serverNow } from "../clock.js";
import { byId, closest, find } from "../dom.js";

const MORNING = 9; // o'clock

/**
 * In the user's own time: in three `hours`, `tomorrow` morning, or next `week`, on Monday morning.
 *
 * @param {string | undefined} kind
 */
export function wakeTime(kind, now = serverNow()) {
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
  const form = byId("snooze");
  if (!form) return;
  form.addEventListener("click", (event) => {
    const button = closest(event, "[data-snooze]");
    // At the click: the page may have been open for hours.
    button?.setAttribute("value", wakeTime(button.dataset.snooze).toISOString());
  });
  const other = byId("snooze-until");
  const field = find(other, "input");
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
