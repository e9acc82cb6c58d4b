/** Asks for the visitor's address. Loaded when they have written while nobody is there. */

/** @import { Chat } from "../chat.js" */
/** @import { H } from "../types" */

/** @type {(chat: Chat, h: H) => Promise<HTMLElement>} */
export async function load(chat, h) {
  /** @type {{default: import("../types").FileWords}} */
  const { default: words } = await import(`./languages/${document.documentElement.lang}.js`);
  const described = { "aria-describedby": "address-problem", placeholder: words.email };
  const address = h("input", { type: "email", required: true, maxLength: 254, autocomplete: "email", ...described });
  const problem = h("p", { class: "problem", role: "alert", id: "address-problem" });
  const save = h("button", { class: "quiet" }, words.save);
  const refuse = (/** @type {string} */ why) => {
    problem.textContent = why;
    address.focus();
  };
  const onsubmit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    problem.textContent = "";
    if (!address.checkValidity()) return refuse(words.badEmail);
    save.disabled = true;
    const email = address.value.trim();
    try {
      await chat.giveEmail(email, words.saved(email));
    } catch (error) {
      refuse(/** @type {{status?: number}} */ (error).status === 422 ? words.badEmail : words.notSaved);
    }
    save.disabled = false;
  };
  return h("form", { class: "ask", noValidate: true, onsubmit }, h("label", null, words.askEmail, address), save, problem);
}
