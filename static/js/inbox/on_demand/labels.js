/** The menu of the open conversation's labels: a button for each of the account's, to add it or to remove it. */

import { byId, find, findAll } from "../dom.js";

export function startLabels() {
  new MutationObserver(press).observe(find(byId("labels-menu"), "summary"), { childList: true, subtree: true });
  press();
}

function press() {
  const present = (byId("thread-labels").dataset.labels ?? "").split(" ");
  for (const button of findAll(byId("label-choices"), "button")) {
    const isSet = present.includes(button.getAttribute("value") ?? "");
    button.setAttribute("name", isSet ? "remove" : "add");
    button.ariaPressed = String(isSet);
  }
}
