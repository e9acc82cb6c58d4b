/** Loads the page of a link when it is scrolled near. */

import { Backoff } from "../connector/backoff.js";
import { find } from "./dom.js";

const AHEAD = "800px";
const FIRST_DELAY = 5_000; // ms
const TIMEOUT = 20_000; // ms

/**
 * @param {object} options
 * @param {HTMLElement} options.scroller
 * @param {string} [options.place]  selects the link's paragraph, here and on the loaded page
 * @param {string} [options.part]  of the page, that suffices
 * @param {() => () => void} options.record
 * @param {(loaded: Document, isLast: boolean) => void} options.insert
 */
export function loadMore({ scroller, place = ".more", part, record, insert }) {
  const more = scroller.querySelector(place);
  if (!more) return;
  const link = find(more, "a");
  let backoff = new Backoff({ firstDelay: FIRST_DELAY });
  let isLoading = false;

  const load = async () => {
    if (isLoading) return;
    isLoading = true;
    more.setAttribute("aria-busy", "true");
    const replay = record();
    const { loaded } = await loadPage(link.href, { part });
    isLoading = false;
    more.removeAttribute("aria-busy");
    if (loaded === null) setTimeout(observeAgain, backoff.next());
    else if (more.isConnected) take(loaded);
    replay();
  };
  /** @param {Document} loaded */
  const take = (loaded) => {
    const next = loaded.querySelector(`.${scroller.classList[0]} ${place} a`);
    insert(loaded, next === null);
    backoff = new Backoff({ firstDelay: FIRST_DELAY });
    if (!next) return end();
    link.href = next.getAttribute("href") ?? "";
    observeAgain();
  };
  const observer = new IntersectionObserver((entries) => entries.at(-1)?.isIntersecting && load(), { root: scroller, rootMargin: AHEAD });
  /** Even if it has stayed in sight. */
  const observeAgain = () => {
    observer.unobserve(more);
    observer.observe(more);
  };
  const end = () => {
    observer.disconnect();
    more.remove();
  };
  observer.observe(more);
  link.addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    load();
  });
}

/**
 * Returns no document if that fails, or if another user has signed in: it would be that user's page. The document runs and
 * loads nothing. `status`: 0 without an answer.
 *
 * @param {string} href
 * @param {{part?: string, signal?: AbortSignal}} [options]  `part`: without the rest of the page
 * @returns {Promise<{status: number, loaded: Document | null}>}
 */
export async function loadPage(href, { part, signal } = {}) {
  const url = new URL(href, location.href);
  if (part) url.searchParams.set("part", part);
  const signals = [AbortSignal.timeout(TIMEOUT), ...(signal ? [signal] : [])];
  try {
    const answer = await fetch(url, { headers: { Accept: "text/html" }, signal: AbortSignal.any(signals) });
    const { status } = answer;
    if (!answer.ok || answer.redirected) return { status, loaded: null };
    const loaded = new DOMParser().parseFromString(await answer.text(), "text/html");
    return { status, loaded: loaded.body.dataset.user === document.body.dataset.user ? loaded : null };
  } catch {
    return { status: 0, loaded: null };
  }
}
