import { ActionError } from "../connector/perform.js";
import { retryAfter } from "../connector/request.js";

const TIMEOUT = 20_000; // ms

/**
 * Gets the path, or posts `data` as JSON. Returns the parsed answer, null without one. Throws ActionError.
 *
 * @param {string} path
 * @param {string | null} token  of the visitor
 * @param {object} [data]
 * @returns {Promise<any>}
 */
export async function request(path, token, data) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (data) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, {
      method: data ? "POST" : "GET",
      headers,
      body: data && JSON.stringify(data),
      cache: "no-store",
      credentials: "omit", // an agent may be signed in, in this browser
      signal: AbortSignal.timeout(TIMEOUT),
    });
  } catch {
    throw new ActionError(0, null);
  }
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new ActionError(answer.status, body, retryAfter(answer));
  return body;
}

/** Whether the same request may succeed later. @param {number} status */
export function isTemporary(status) {
  return status === 0 || status >= 500 || [408, 425, 429].includes(status);
}
