/** @import { Problem } from "./connector" */
/** @import { AnyCredentials, Timers } from "./types" */

import { retryAfter } from "./request.js";

/** @type {Record<string, string>} */
const PATHS = { account: "accounts", conversation: "conversations", message: "messages" };
const TIMEOUT = 20_000;
const DELAYS = [1_000, 3_000]; // ms
const LONGEST_DELAY = 30_000; // ms; a longer Retry-After is the caller's to wait for
const UNANSWERED = new Set([0, 502, 503, 504]); // perhaps performed

/** connector.d.ts documents it. */
export class ActionError extends Error {
  /**
   * @param {number} status
   * @param {Problem | null} problem
   * @param {number} [retryAfter]
   */
  constructor(status, problem, retryAfter) {
    super(problem?.detail ?? problem?.title ?? (status === 0 ? "The server did not answer." : `The server answered ${status}.`));
    this.name = "ActionError";
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/**
 * `("conversation:42", "messages")` is `/conversations/42/messages`, with "" `/conversations/42`. Throws TypeError.
 *
 * @type {(name: string, action: string) => string}
 */
export function actionUrl(name, action) {
  const [, kind = "", id] = /^([a-z]+):(\d+)$/.exec(name) ?? [];
  if (!Object.hasOwn(PATHS, kind)) throw new TypeError(`perform() needs account:<id>, conversation:<id> or message:<id>, not ${name}`);
  if (!/^[a-z_]*$/.test(action)) throw new TypeError(`There is no action ${action}`);
  return `/${PATHS[kind]}/${id}${action && "/"}${action}`;
}

/**
 * Posts JSON. Returns the parsed answer, null for one without content. Throws ActionError. Unanswered, data with a
 * `client_id`, by which the server recognises a repetition, is sent up to two more times. Refused with 401, which changes
 * nothing, it is sent once more if the credentials can be renewed.
 *
 * @typedef {{credentials: AnyCredentials, fetch?: typeof globalThis.fetch, timers?: Pick<Timers, "setTimeout">, delays?: number[]}} PostOptions
 * @param {string} url
 * @param {{client_id?: string}} data
 * @param {PostOptions} options
 */
export async function post(url, data, { credentials, fetch = globalThis.fetch, timers = globalThis, delays = DELAYS }) {
  const retries = data.client_id ? delays : [];
  let mayRenew = true;
  if (credentials.isMissing) await isRenewed(credentials);
  for (let attempt = 0; ; ) {
    const { secret, headers } = credentials;
    try {
      return await postOnce(url, data, headers, fetch);
    } catch (error) {
      if (!(error instanceof ActionError)) throw error;
      if (error.status === 401 && mayRenew && (await isRenewed(credentials, secret))) {
        mayRenew = false;
        continue;
      }
      const delay = error.retryAfter ?? retries[attempt];
      if (!UNANSWERED.has(error.status) || attempt >= retries.length || delay > LONGEST_DELAY) throw error;
      attempt++;
      await new Promise((resolve) => timers.setTimeout(() => resolve(null), delay));
    }
  }
}

/** @type {(credentials: AnyCredentials, secret?: string) => Promise<boolean>} */
async function isRenewed(credentials, secret) {
  return credentials.renew(secret).catch(() => false);
}

/** @type {(url: string, data: object, headers: Record<string, string>, fetch: typeof globalThis.fetch) => Promise<any>} */
async function postOnce(url, data, headers, fetch) {
  const answer = await send(url, data, headers, fetch);
  const body = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (answer.ok) return body;
  throw new ActionError(answer.status, body, retryAfter(answer));
}

/** @type {(url: string, data: object, headers: Record<string, string>, fetch: typeof globalThis.fetch) => Promise<Response>} */
async function send(url, data, headers, fetch) {
  try {
    return await fetch(url, {
      method: "POST",
      headers: { Accept: "application/json", "Content-Type": "application/json", ...headers },
      credentials: "same-origin",
      body: JSON.stringify(data),
      signal: AbortSignal.timeout(TIMEOUT),
    });
  } catch {
    throw new ActionError(0, null);
  }
}
