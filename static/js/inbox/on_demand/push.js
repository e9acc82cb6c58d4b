/** Notifications on this device while no page is open: a subscription of the browser, which the server sends to. */

import { byId } from "../dom.js";
import { post } from "../forms.js";
import { Session } from "../session.js";

const UNSUPPORTED = "This browser can't do that here. On an iPhone or iPad, add the page to the home screen first.";
const NOT_SET_UP = "This server is not set up for it.";
const BLOCKED = "Notifications of this site are blocked in the browser. Allow them in its settings first.";
const NO_ANSWER = "The server did not answer. Try again.";
const NO_SERVICE = "The browser's push service can't be reached, or the browser does not allow it. Try again later.";

export async function startPush() {
  const box = byId("push");
  const isSupported = "serviceWorker" in navigator && "PushManager" in globalThis && "Notification" in globalThis;
  if (!isSupported) return explain(UNSUPPORTED);
  const server = await onServer();
  if (server === null) return explain(NO_ANSWER);
  if (server.public_key === null) return explain(NOT_SET_UP);
  const key = server.public_key;
  const subscription = await inBrowser();
  box.checked = subscription !== null && subscription.endpoint === server.endpoint && keyOf(subscription) === key;
  box.disabled = false;
  if (Notification.permission === "denied") explain(BLOCKED);
  box.addEventListener("change", async () => {
    box.disabled = true;
    explain("");
    try {
      box.checked = box.checked ? await subscribe(key) : !(await unsubscribe());
    } finally {
      box.disabled = false;
    }
  });
}

/** @param {string} text */
function explain(text) {
  byId("push-problem").textContent = text;
}

/** What the server has for this session. @returns {Promise<{public_key: string | null, endpoint: string | null} | null>} */
async function onServer() {
  const answer = await fetch("/push_subscription", { headers: { Accept: "application/json" } }).catch(() => null);
  return answer?.ok ? answer.json() : null;
}

async function inBrowser() {
  const registration = await navigator.serviceWorker.getRegistration("/");
  return (await registration?.pushManager.getSubscription()) ?? null;
}

/** Whether it succeeded. @param {string} key */
async function subscribe(key) {
  if ((await Notification.requestPermission()) !== "granted") {
    explain(Notification.permission === "denied" ? BLOCKED : "");
    return false;
  }
  /** @type {PushSubscription} */
  let subscription;
  try {
    await navigator.serviceWorker.register("/service_worker.js");
    const { pushManager } = await navigator.serviceWorker.ready;
    // One of another user, or for another key of the server, would be returned as it is, or refused.
    await (await pushManager.getSubscription())?.unsubscribe();
    subscription = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  } catch {
    explain(NO_SERVICE);
    return false;
  }
  const { p256dh = "", auth = "" } = subscription.toJSON().keys ?? {};
  const problem = await sent("/push_subscription", { endpoint: subscription.endpoint, p256dh, auth });
  if (problem === "") return true;
  explain(problem);
  await subscription.unsubscribe().catch(() => {});
  return false;
}

/** Whether it succeeded. */
async function unsubscribe() {
  const problem = await sent("/push_subscription/delete", {});
  if (problem) explain(problem);
  else await (await inBrowser())?.unsubscribe().catch(() => {});
  return problem === "";
}

/** Posts the fields, for the page's user only. Returns the problem in words. @type {(path: string, fields: Record<string, string>) => Promise<string>} */
async function sent(path, fields) {
  const session = new Session(document.body.dataset.user ?? "", { renewed: () => {}, replaced: () => {} });
  const { problem = "" } = await post(session, path, new URLSearchParams(fields));
  return problem;
}

/** The server's key for which it was made. @param {PushSubscription} subscription */
function keyOf({ options }) {
  const bytes = new Uint8Array(options.applicationServerKey ?? new ArrayBuffer(0));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
