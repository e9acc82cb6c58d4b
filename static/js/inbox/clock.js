/** The server's time: the browser's clock may be wrong. */

const MIN_SKEW = 60_000; // ms; less may be the way of the page to the browser

let skew = 0; // ms

/** @param {string | null | undefined} serverTime  as the page was rendered, RFC 3339 */
export function setClock(serverTime) {
  const ahead = Date.parse(serverTime ?? "") - Date.now();
  skew = Math.abs(ahead) >= MIN_SKEW ? ahead : 0;
}

export function serverNow() {
  return new Date(Date.now() + skew);
}
