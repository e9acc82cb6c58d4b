/** @import { ProbeResult, StreamAddress } from "./types" */

export const PROBE_TIMEOUT = 10_000;
const REACH_TIMEOUT = 5_000;
const RETRYABLE = new Set([408, 425, 429]);

/** @param {StreamAddress} address */
export function streamUrl({ url = "/streams", streams, format = "json", user, cursor = "", wait = 0 }) {
  const query = new URLSearchParams(streams.map((stream) => ["stream", stream]));
  query.set("format", format);
  if (user !== undefined) query.set("user", String(user));
  if (cursor) query.set("last_event_id", cursor);
  if (wait) query.set("wait", String(wait));
  return `${url}?${query}`;
}

/**
 * The status with which the server refuses `url`, which EventSource does not reveal.
 *
 * @param {string} url
 * @param {typeof globalThis.fetch} [fetch]
 * @param {Record<string, string>} [headers]
 * @returns {Promise<ProbeResult>}
 */
export async function probe(url, fetch = globalThis.fetch, headers = {}) {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PROBE_TIMEOUT);
  try {
    const answer = await fetch(url, {
      method: "HEAD", // authorised like a GET, but opens no stream
      headers: { Accept: "text/event-stream", ...headers },
      cache: "no-store",
      credentials: "same-origin",
      redirect: "manual",
      signal: patience.signal,
    });
    return { status: answer.status, retryAfter: retryAfter(answer) };
  } catch {
    return { status: 0 };
  } finally {
    clearTimeout(timer);
    patience.abort(); // a proxy may answer a HEAD with an endless body
  }
}

/** @param {string} url  of a stream, whose server is asked */
export async function reach(url, fetch = globalThis.fetch) {
  const health = url.replace(/\?.*/, "").replace(/[^/]*$/, "");
  try {
    const options = { cache: /** @type {const} */ ("no-store"), signal: AbortSignal.timeout(REACH_TIMEOUT) };
    return (await fetch(`${health}healthz`, options)).ok;
  } catch {
    return false;
  }
}

/**
 * Milliseconds, or undefined.
 *
 * @param {Response} answer
 */
export function retryAfter({ headers }) {
  const seconds = Number(headers.get("Retry-After") ?? NaN);
  return seconds >= 0 ? seconds * 1000 : undefined;
}

/** @param {number} status */
export function isRefusal(status) {
  return status >= 400 && status < 500 && !RETRYABLE.has(status);
}

/**
 * As in `stream.closed`.
 *
 * @param {number} status
 */
export function reasonOf(status) {
  if (status === 401) return "signed_out";
  if (status === 403 || status === 404) return "forbidden";
  return "rejected";
}
