const TIMEOUT = 10_000; // ms

/**
 * The browser's present session, null without one. Throws if the server does not answer.
 *
 * @returns {Promise<{user: string, name: string, csrf: string} | null>}
 */
export async function readSession(fetch = globalThis.fetch) {
  const answer = await fetch("/me", {
    headers: { Accept: "application/json" },
    cache: "no-store",
    credentials: "same-origin",
    signal: AbortSignal.timeout(TIMEOUT),
  });
  if (answer.status === 401) return null;
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  const { id, name } = await answer.json();
  return { user: String(id), name, csrf: answer.headers.get("X-CSRF-Token") ?? "" };
}
