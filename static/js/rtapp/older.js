/** Loads what is older when its end comes near by scrolling: the page behind the link, as it is without script. */

const AHEAD = "800px";
const RETRY = 5_000; // ms

/**
 * @param {object} options
 * @param {Element} options.scroller                     in which a `.more` paragraph with a link stands
 * @param {(loaded: Document) => void} options.insert    puts what the next page has where it belongs
 */
export function loadOlder({ scroller, insert }) {
  const more = scroller.querySelector(".more");
  if (!more) return;
  let loading = false;

  const load = async () => {
    if (loading) return;
    loading = true;
    more.setAttribute("aria-busy", "true");
    const loaded = await fetched(more.querySelector("a").href);
    loading = false;
    more.removeAttribute("aria-busy");
    if (loaded === null) return void setTimeout(again, RETRY); // and the link is still there
    insert(loaded);
    const next = loaded.querySelector(`.${scroller.classList[0]} .more a`);
    if (!next) return end();
    more.querySelector("a").href = next.getAttribute("href");
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
  more.querySelector("a").addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    load();
  });
}

/** A page, parsed: nothing in it runs or loads. Null if it can't be had. */
async function fetched(url) {
  try {
    const answer = await fetch(url, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(20_000) });
    return answer.ok && !answer.redirected ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  } catch {
    return null;
  }
}
