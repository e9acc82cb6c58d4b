/** What the composer has from the moment on in which it is used. */

/** @import { OpenConversation } from "../types" */

import { field } from "../dom.js";
import { whoAnswers } from "./answers.js";
import { start as startCompletion } from "./completion.js";
import { Files } from "./files.js";

/** @typedef {{takes(event: KeyboardEvent): boolean, whoAnswers: typeof whoAnswers, files: Files}} Writing */

/** @type {(page: OpenConversation, form: HTMLFormElement, isNote: () => boolean) => Writing} */
export function start(page, form, isNote) {
  return { ...startCompletion(field(form, "content"), isNote), whoAnswers, files: new Files(page, form, isNote) };
}
