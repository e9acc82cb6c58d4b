/**
 * An open settings page: what somebody else changes is loaded. Of a form that is being filled in, a line offers it instead.
 * Without this script the pages work all the same.
 */

import { connect } from "../connector/connector.js";

const DELAY = 100; // ms, for events that come together
const AGAIN = 3_000; // ms until a load without an answer is tried again

const { user, account = "", parts = "" } = document.body.dataset;
const cursor = document.querySelector('meta[name="stream-cursor"]')?.getAttribute("content") ?? undefined;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

connect({ user, account, cursor }).subscribe(`account:${account}`, {
  onSettingsChanged: ({ part }) => {
    if (parts.split(" ").includes(part)) load();
  },
  onReset: () => load(),
  onRejected: () => location.reload(),
  onClosed: () => location.reload(),
});

function load(after = DELAY) {
  clearTimeout(timer);
  timer = setTimeout(() => fetched().catch(() => load(AGAIN)), after);
}

async function fetched() {
  const here = /** @type {HTMLAnchorElement | null} */ (document.querySelector('nav a[aria-current="page"]'));
  const answer = await fetch(here?.href ?? location.href, { headers: { Accept: "text/html" } });
  if (answer.status >= 500) throw new Error(`status ${answer.status}`);
  if (!answer.ok || answer.redirected) return location.reload(); // the page that the server has instead
  const loaded = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (isInUse()) offer(here?.href ?? location.href);
  else show(loaded);
}

/** Whether a form is being filled in, or shows why it was refused. */
function isInUse() {
  const touched = [...document.querySelectorAll("main :is(input, textarea, select)")].some((field) => {
    if (field instanceof HTMLSelectElement) return field.selectedIndex !== Math.max(0, [...field.options].findIndex((option) => option.defaultSelected));
    if (!(field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement)) return false;
    if (field instanceof HTMLInputElement && field.type === "checkbox") return field.checked !== field.defaultChecked;
    if (field instanceof HTMLInputElement && field.type === "radio") return field.checked !== field.defaultChecked;
    return field.value !== field.defaultValue;
  });
  return touched || document.querySelector('main [aria-invalid="true"], main .problem:not(:empty)') !== null;
}

/** @param {string} href */
function offer(href) {
  const line = document.querySelector("#changed");
  if (!line || line.childElementCount) return;
  const link = Object.assign(document.createElement("a"), { href, textContent: "Load them." });
  line.append("These settings were changed meanwhile. What you have entered here is not saved. ", link);
}

/** @param {Document} loaded */
function show(loaded) {
  const open = [...document.querySelectorAll("details[open] > summary")].map((summary) => summary.textContent);
  const focused = document.activeElement;
  const place = focused && focused !== document.body ? { tag: focused.tagName, text: focused.textContent, name: focused.getAttribute("name") } : null;
  document.title = loaded.title;
  document.body.replaceChildren(...loaded.body.childNodes);
  for (const summary of document.querySelectorAll("details > summary")) {
    if (open.includes(summary.textContent)) summary.parentElement?.setAttribute("open", "");
  }
  if (!place) return;
  const same = [...document.querySelectorAll(place.tag)].find(
    (each) => each.textContent === place.text && each.getAttribute("name") === place.name,
  );
  if (same instanceof HTMLElement) same.focus();
}
