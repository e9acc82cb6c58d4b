/**
 * The page of a contact: what is typed is kept in the browser until it is saved, through reloads, failures and lost access.
 * The server makes each answer as a page, which takes this one's place.
 */

import { field, find } from "../inbox/dom.js";
import { Drafts } from "../inbox/drafts.js";
import { Session } from "../inbox/session.js";

const TIMEOUT = 20_000; // ms
const FIELDS = ["name", "email", "phone", "notes"];

let form = present();
const { contact, user = "" } = form.dataset;
const key = `contact.${contact}`;
const drafts = new Drafts(localStorage, user, () => Promise.reject(new Error("Contacts have no drafts on the server.")));
const session = new Session(user, { renewed: () => {}, replaced: () => {} });

start();
restore();

/** @returns {HTMLFormElement} */
function present() {
  return /** @type {any} */ (find(document, "#contact-form"));
}

function start() {
  form = present();
  form.addEventListener("input", () => drafts.keep(key, typed()));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (form.ariaBusy !== "true") save();
  });
}

/** @returns {Record<string, string>} */
function typed() {
  return Object.fromEntries([...FIELDS, "version"].map((name) => [name, field(form, name).value]));
}

/** With the version on which the texts are based: what a colleague saved since is not overwritten unseen. */
function restore() {
  const kept = drafts.texts(key);
  if (!kept) return;
  if (FIELDS.every((name) => kept[name] === field(form, name).value)) return drafts.keep(key, null); // its answer was lost
  for (const name of [...FIELDS, "version"]) if (typeof kept[name] === "string") field(form, name).value = kept[name];
  report("What you typed before is not saved yet.");
}

/** @type {(words: string, isGood?: boolean) => void} */
function report(words, isGood = false) {
  const line = find(form, ".problem");
  line.textContent = words;
  line.classList.toggle("good", isGood);
}

async function save() {
  form.ariaBusy = "true";
  drafts.keep(key, typed());
  try {
    let answer = await post();
    if (answer.status === 401 && (await session.renew())) answer = await post();
    await show(answer);
  } catch {
    report("No answer from the server. What you typed is kept here: save it again.");
  }
  form.ariaBusy = null;
}

function post() {
  const fields = new URLSearchParams(/** @type {any} */ (new FormData(form)));
  fields.set("csrf_token", session.csrf);
  return fetch(form.action, { method: "POST", headers: { Accept: "text/html" }, body: fields, signal: AbortSignal.timeout(TIMEOUT) });
}

/** @param {Response} answer */
async function show(answer) {
  const loaded = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = loaded.getElementById("contact-form");
  if (answer.status === 401) return report(session.problem);
  if (!fresh) return report(`${loaded.querySelector("h1")?.textContent ?? "The server refused this"}. What you typed is kept here.`);
  if (answer.ok) drafts.keep(key, null);
  document.title = loaded.title;
  find(document, "main").replaceWith(find(loaded, "main"));
  start();
  if (answer.ok) report("Saved.", true);
  else drafts.keep(key, typed()); // with the version that it would replace now
  find(form, ".primary").focus(); // it was on the button that was replaced
}
