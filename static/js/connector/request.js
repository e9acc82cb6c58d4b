/** How a stream is asked for: its address, when to ask again, and what the server's refusal means. */

export const ASK_TIMEOUT = 10_000;
const FIRST_DELAY = 1_000;
const LONGEST_DELAY = 30_000;
const TRY_AGAIN = new Set([408, 425, 429]);

/** @typedef {{status: number, retryAfter?: number}} Answer   status 0: no answer; retryAfter in ms */

/** The address that opens `streams` for `user`, resuming after `cursor` where there is one. */
export function streamUrl({ url = "/streams", streams, format = "json", user, cursor = "" }) {
  const query = new URLSearchParams(streams.map((stream) => ["stream", stream]));
  query.set("format", format);
  if (user !== undefined) query.set("user", user);
  if (cursor) query.set("last_event_id", cursor);
  return `${url}?${query}`;
}

/** Milliseconds before attempt number `attempt` (from 0): doubled up to `longest`, of which the upper half is random. */
export function backoff(attempt, random = Math.random, first = FIRST_DELAY, longest = LONGEST_DELAY) {
  const ceiling = Math.min(longest, first * 2 ** attempt);
  return (ceiling + random() * ceiling) / 2;
}

/**
 * Why the server refused `url`. A new EventSource would not say, and would be refused the same way for ever.
 *
 * @returns {Promise<Answer>}
 */
export async function askWhy(url, fetch = globalThis.fetch) {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), ASK_TIMEOUT);
  try {
    const answer = await fetch(url, {
      method: "HEAD", // authorised and refused like a GET, and opens nothing
      headers: { Accept: "text/event-stream" },
      cache: "no-store",
      credentials: "same-origin",
      redirect: "manual",
      signal: patience.signal,
    });
    const seconds = Number(answer.headers.get("Retry-After") ?? NaN);
    return { status: answer.status, retryAfter: seconds >= 0 ? seconds * 1000 : undefined };
  } catch {
    return { status: 0 };
  } finally {
    clearTimeout(timer);
    patience.abort(); // should anybody answer a HEAD with an endless stream
  }
}

/** Whether asking again would be answered the same way. */
export function isRefusal(status) {
  return status >= 400 && status < 500 && !TRY_AGAIN.has(status);
}

/** The same in a word, as `stream.closed` would say it. */
export function reasonOf(status) {
  if (status === 401) return "signed_out";
  if (status === 403 || status === 404) return "forbidden";
  return "rejected";
}
