/**
 * Shows push notifications while no page is open, and opens the conversation on a click. It caches nothing: requests of
 * pages do not pass through it. The server makes the content in rtapp/push/payload.py.
 */

/** @typedef {{title: string, body: string, tag: string, path: string, unread: number, user: number}} Payload */

const LIMIT = 5_000; // ms for the server to answer
const MOST = 100; // unread messages are counted up to this number
// Safari ends a subscription after a few pushes without a notification, even beside a visible page:
// https://developer.apple.com/documentation/usernotifications/sending-web-push-notifications-in-web-apps-and-browsers
const ALWAYS_SHOWS = /\.push\.apple\.com$/;

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));

worker.addEventListener("install", () => {
  worker.skipWaiting();
});

worker.addEventListener("push", (event) => {
  const payload = /** @type {Payload | undefined} */ (event.data?.json());
  if (payload) event.waitUntil(notify(payload));
});

worker.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(show(event.notification.data.path));
});

worker.addEventListener("pushsubscriptionchange", (event) => {
  const { newSubscription } = /** @type {PushSubscriptionChangeEvent} */ (event);
  event.waitUntil(renew(newSubscription));
});

/** @param {Payload} payload */
async function notify({ title, body, tag, path, unread, user }) {
  const subscription = await worker.registration.pushManager.getSubscription();
  const me = await signedIn();
  if (me !== null && me.id !== user) {
    await subscription?.unsubscribe();
    return;
  }
  const isVisible = (await pages()).some(({ visibilityState }) => visibilityState === "visible");
  const mustShow = subscription !== null && ALWAYS_SHOWS.test(new URL(subscription.endpoint).hostname);
  if (isVisible && !mustShow) return;
  const number = unread > 1 ? ` (${unread < MOST ? unread : `${MOST - 1}+`})` : "";
  const options = { body, tag, data: { path }, dir: "auto", renotify: !isVisible, silent: isVisible };
  await worker.registration.showNotification(title + number, /** @type {NotificationOptions} */ (options));
}

/**
 * The user of this browser's session; the id 0 without one, null without an answer. Another user may have signed in since
 * the push was sent.
 *
 * @returns {Promise<{id: number, csrf: string} | null>}
 */
async function signedIn() {
  try {
    const answer = await fetch("/me", { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(LIMIT) });
    if (answer.status === 401) return { id: 0, csrf: "" };
    return answer.ok ? { id: (await answer.json()).id, csrf: answer.headers.get("X-CSRF-Token") ?? "" } : null;
  } catch {
    return null;
  }
}

function pages() {
  return worker.clients.matchAll({ type: "window", includeUncontrolled: true });
}

/** In the tab that shows it, or else in another one of the inbox. @param {string} path */
async function show(path) {
  const wanted = new URL(path, worker.location.origin);
  const shown = await pages();
  const showing = shown.find(({ url }) => new URL(url).pathname === wanted.pathname);
  const client = showing ?? shown[0];
  if (client === undefined) return worker.clients.openWindow(wanted.href);
  await client.focus().catch(() => {}); // the conversation is opened all the same
  if (showing && !wanted.hash) return client;
  // Only a page that was loaded since the worker was installed can be navigated by it.
  return client.navigate(wanted.href).catch(() => worker.clients.openWindow(wanted.href));
}

/** Registers the subscription that takes the place of an expired one, if that was this user's. @param {PushSubscription | null} subscription */
async function renew(subscription) {
  const me = await signedIn();
  if (!me?.id) return;
  const answer = await fetch("/push_subscription", { headers: { Accept: "application/json" } });
  const { endpoint, public_key: applicationServerKey } = await answer.json();
  if (endpoint === null) return;
  const { pushManager } = worker.registration;
  const next = subscription ?? (await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey }));
  const { keys } = next.toJSON();
  await fetch("/push_subscription", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": me.csrf },
    body: JSON.stringify({ endpoint: next.endpoint, ...keys }),
  });
}
