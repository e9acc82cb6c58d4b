/** Signing out. What was written stays the user's: on the server. The next user of the browser must not find it. */

/** @import { Page } from "../types" */

import { find } from "../dom.js";

const UNSAVED = "Some of what you wrote is not on the server yet, and is deleted here when you sign out. Sign out?";

/** @type {(form: HTMLFormElement, page: Page) => Promise<void>} */
export async function signOut(form, { drafts, unsent, session }) {
  const isSafe = (await drafts.flush()) && unsent.isEmpty;
  if (!isSafe && !confirm(UNSAVED)) return;
  drafts.clear();
  unsent.clear();
  find(form, "input").value = session.csrf; // it may have been renewed since
  form.submit();
}
