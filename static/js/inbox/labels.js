/** The menu of the open conversation's labels: a button for each of the account's, to add it or to remove it. */

/** @import { Part } from "./types" */

import { byId, findAll } from "./dom.js";

/** @returns {Part} */
export function startLabels() {
  return { changed: (arrived) => arrived.filter(({ id }) => id === "thread-labels").forEach(press) };
}

/** @param {HTMLElement} labels */
function press({ dataset }) {
  const present = (dataset.labels ?? "").split(" ");
  for (const button of findAll(byId("label-choices"), "button")) {
    const isSet = present.includes(button.getAttribute("value") ?? "");
    button.setAttribute("name", isSet ? "remove" : "add");
    button.ariaPressed = String(isSet);
  }
}
