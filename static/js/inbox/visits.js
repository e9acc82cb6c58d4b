/** Opens and closes conversations without loading the page anew: the list stays as it is. Without script, links load them. */

/** @import { Page } from "./types" */

import { byId, closest } from "./dom.js";
import { loadPage } from "./paging.js";

const HELD = 2_000; // ms, how long a mouse button is held at most
const OF_THREAD = ["message", "before", "after"]; // parameters, besides the view's

/**
 * The address of a conversation, or of the list, in the view that the page shows; null for another page.
 *
 * @type {(href: string, page: {account: string, viewQuery: string}, base?: string) => URL | null}
 */
export function addressIn(href, { account, viewQuery }, base = location.href) {
  const url = new URL(href, base);
  const isList = url.pathname === `/accounts/${account}/conversations`;
  if (url.origin !== new URL(base).origin || !(isList || conversationAt(url))) return null;
  if (url.searchParams.has("edit")) return null;
  const view = new URLSearchParams(viewQuery);
  if (isList && withoutThread(url.searchParams) !== view.toString()) return null;
  for (const name of OF_THREAD) {
    const value = url.searchParams.get(name);
    if (value !== null) view.set(name, value);
  }
  url.search = view.toString();
  return url;
}

/** The conversation's id, "" for the list. @param {URL | Location} url */
export function conversationAt({ pathname }) {
  return /^\/conversations\/(\d+)$/.exec(pathname)?.[1] ?? "";
}

/** @param {URLSearchParams} parameters */
function withoutThread(parameters) {
  const view = new URLSearchParams(parameters);
  OF_THREAD.forEach((name) => view.delete(name));
  return view.toString();
}

/** @type {(page: Page, show: (loaded: Document) => void) => void} `show` puts the conversation of a loaded page into this one */
export function startVisits(page, show) {
  /** @type {(href: string, signal?: AbortSignal) => ReturnType<typeof loadPage>} */
  const load = async (href, signal) =>
    conversationAt(new URL(href))
      ? loadPage(href, { part: "thread", signal })
      : { status: 200, loaded: pageWith(`${page.accountName} · rtapp`, byId("no-conversation")) };
  let visit = new AbortController();
  let shown = location.pathname + location.search;
  /** What a link leads to, loaded while the button is held on it. @type {{href: string, page: ReturnType<typeof load>}} */
  let pressed = /** @type {any} */ ({});

  /** @type {(url: URL, isNew: boolean) => Promise<void>} */
  const go = async (url, isNew) => {
    visit.abort();
    const { signal } = (visit = new AbortController());
    const thread = byId("thread");
    thread.ariaBusy = "true";
    const { href } = url;
    const { status, loaded } = await (pressed.href === href ? pressed.page : load(href, signal));
    pressed.href = "";
    if (signal.aborted) return;
    thread.ariaBusy = null;
    if (status === 0 || status >= 500) return page.alert();
    if (!loaded) return location.assign(url); // the server's page says why
    shown = url.pathname + url.search;
    if (isNew) history.pushState(null, "", shown);
    show(loaded);
    if (url.hash) location.replace(url.hash); // marks the message as `:target`, which pushState does not
  };

  /** Where a click leads to. @param {MouseEvent} event */
  const urlOf = (event) => {
    const link = /** @type {HTMLAnchorElement | null} */ (closest(event, "a[href]"));
    const isOther = event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    if (!link || event.defaultPrevented || isOther || link.target || link.getAttribute("href")?.startsWith("#")) return null;
    return addressIn(link.href, page);
  };
  document.addEventListener("pointerdown", (event) => {
    const url = event.pointerType === "mouse" ? urlOf(event) : null; // a finger may scroll
    if (!url) return;
    const { href } = url;
    const held = (pressed = { href, page: load(href) });
    setTimeout(() => (held.href = ""), HELD);
  });
  document.addEventListener("click", (event) => {
    const url = urlOf(event);
    if (!url) return;
    event.preventDefault();
    const menu = /** @type {HTMLDetailsElement | null} */ (closest(event, "details.menu[open]"));
    if (menu) menu.open = false;
    go(url, true);
  });
  addEventListener("popstate", () => {
    if (location.pathname + location.search === shown) return; // another place in the thread
    const url = addressIn(location.href, page);
    if (url?.search === location.search) go(url, false);
    else location.reload();
  });
}

/** A page without a thread. @type {(title: string, content: HTMLTemplateElement, conversation?: string) => Document} */
export function pageWith(title, { content }, conversation = "") {
  const page = document.implementation.createHTMLDocument(title);
  const thread = page.createElement("main");
  thread.id = "thread";
  thread.append(document.importNode(content, true));
  page.body.dataset.conversation = conversation;
  page.body.append(thread);
  return page;
}
