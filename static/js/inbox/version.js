/** The version of the open conversation that the page shows, in the forms that decide by it. */

/** @import { OpenConversation, Part } from "./types" */

import { byId, findAll } from "./dom.js";

/**
 * @param {OpenConversation} page
 * @returns {Part}
 */
export function startVersion({ conversation }) {
  const shows = `.row[data-conversation="${conversation}"], #thread-status, #thread-assignee`;
  return {
    changed: (arrived) => {
      const newest = Math.max(...arrived.filter((element) => element.matches(shows)).map(({ dataset }) => Number(dataset.version)));
      for (const field of findAll(byId("thread"), ".thread-head [name=version]")) {
        const input = /** @type {HTMLInputElement} */ (field);
        if (newest > Number(input.value)) input.value = String(newest);
      }
    },
  };
}
