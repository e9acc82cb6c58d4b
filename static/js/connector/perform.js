/** Doing something: an ordinary POST, beside the stream on which everybody hears of it. */

const PATHS = { account: "accounts", conversation: "conversations", message: "messages" };
const TIMEOUT = 20_000;
const DELAYS = [1_000, 3_000]; // ms before a second and a third attempt
const NO_ANSWER = new Set([0, 502, 503, 504]); // whether it was done is not known

/** What the server refused, or did not answer. */
export class ActionError extends Error {
  /**
   * @param {number} status          the HTTP status; 0 without an answer
   * @param {object | null} problem  what the server said (RFC 9457): `title`, `detail`, for 422 `errors`
   * @param {number} [retryAfter]    ms that the server asks to wait
   */
  constructor(status, problem, retryAfter) {
    super(problem?.detail ?? problem?.title ?? (status === 0 ? "The server did not answer." : `The server answered ${status}.`));
    this.name = "ActionError";
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/** The address of `action` on what the stream or thing `name` is: `("conversation:42", "messages")`. */
export function actionUrl(name, action) {
  const [, kind, id] = /^([a-z]+):(\d+)$/.exec(name) ?? [];
  if (!Object.hasOwn(PATHS, kind)) throw new TypeError(`perform() needs account:<id>, conversation:<id> or message:<id>, not ${name}`);
  if (!/^[a-z_]*$/.test(action)) throw new TypeError(`There is no action ${action}`);
  return `/${PATHS[kind]}/${id}${action && "/"}${action}`;
}

/**
 * Posts `data` as JSON and returns the parsed answer, null for one without content. Throws ActionError.
 *
 * Nothing is sent twice, with one exception: where the answer stayed away (no network, 502, 503, 504) and the data carries a
 * `client_id`, by which the server knows a repetition, it is tried up to two more times.
 *
 * @param {string} url
 * @param {object} data
 * @param {{csrf?: string, fetch?: typeof globalThis.fetch, timers?: {setTimeout: Function}, delays?: number[]}} options
 */
export async function post(url, data, { csrf = "", fetch = globalThis.fetch, timers = globalThis, delays = DELAYS }) {
  const later = data.client_id ? delays : [];
  for (let attempt = 0; ; attempt++) {
    try {
      return await once(url, data, csrf, fetch);
    } catch (error) {
      if (!NO_ANSWER.has(error.status) || attempt >= later.length) throw error;
      await new Promise((resolve) => timers.setTimeout(resolve, error.retryAfter ?? later[attempt]));
    }
  }
}

async function once(url, data, csrf, fetch) {
  const answer = await send(url, data, csrf, fetch);
  const body = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (answer.ok) return body;
  const seconds = Number(answer.headers.get("Retry-After") ?? NaN);
  throw new ActionError(answer.status, body, seconds >= 0 ? seconds * 1000 : undefined);
}

async function send(url, data, csrf, fetch) {
  try {
    return await fetch(url, {
      method: "POST",
      headers: { Accept: "application/json", "Content-Type": "application/json", "X-CSRF-Token": csrf },
      credentials: "same-origin",
      body: JSON.stringify(data),
      signal: AbortSignal.timeout(TIMEOUT),
    });
  } catch {
    throw new ActionError(0, null);
  }
}
