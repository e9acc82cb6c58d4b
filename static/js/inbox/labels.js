/** The menu of the open conversation's labels: a button for each of the account's, to add it or to remove it. */

/** @import { OpenConversation, Part } from "./types" */

import { byId, findAll } from "./dom.js";

/**
 * @param {OpenConversation} page
 * @returns {Part}
 */
export function startLabels({ conversation }) {
  return {
    changed: (arrived) => arrived.filter(({ id }) => id === "thread-labels").forEach(press),
    refreshed: (loaded) => {
      if (loaded.body.dataset.conversation !== conversation) return;
      for (const id of ["thread-labels", "label-choices"]) {
        const fresh = loaded.getElementById(id);
        if (fresh) document.getElementById(id)?.replaceWith(fresh);
      }
    },
  };
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
