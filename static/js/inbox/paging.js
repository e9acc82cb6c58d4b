/** Loads what follows when its end comes near by scrolling: the page behind a link, as it is without script. */

const AHEAD = "800px";
const RETRY = 5_000; // ms

/**
 * @param {object} options
 * @param {Element} options.scroller                     in which the link's paragraph stands
 * @param {string} [options.place]                       selects that paragraph, here and on the page that is loaded
 * @param {() => () => void} options.record              see inbox.js: the page is as it was when the server made it
 * @param {(loaded: Document, isLast: boolean) => void} options.insert  puts what the next page has where it belongs
 */
export function loadMore({ scroller, place = ".more", record, insert }) {
  const more = scroller.querySelector(place);
  if (!more) return;
  const link = more.querySelector("a");
  let loading = false;

  const load = async () => {
    if (loading) return;
    loading = true;
    more.setAttribute("aria-busy", "true");
    const replay = record();
    const loaded = await fetched(link.href);
    loading = false;
    more.removeAttribute("aria-busy");
    if (loaded === null) setTimeout(again, RETRY); // and the link is still there
    else if (more.isConnected) take(loaded);
    replay();
  };
  const take = (loaded) => {
    const next = loaded.querySelector(`.${scroller.classList[0]} ${place} a`);
    insert(loaded, next === null);
    if (!next) return end();
    link.href = next.getAttribute("href");
    again();
  };
  const near = new IntersectionObserver((seen) => seen.at(-1).isIntersecting && load(), { root: scroller, rootMargin: AHEAD });
  /** Looks again, even if it has stayed in sight. */
  const again = () => {
    near.unobserve(more);
    near.observe(more);
  };
  const end = () => {
    near.disconnect();
    more.remove();
  };
  near.observe(more);
  link.addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    load();
  });
}

/** A page, parsed: nothing in it runs or loads. Null if it can't be had. */
export async function fetched(url) {
  try {
    const answer = await fetch(url, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(20_000) });
    return answer.ok && !answer.redirected ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  } catch {
    return null;
  }
}
