"""Push notifications in Chromium: the switch in the settings, and the service worker.

Headless Chromium reaches no push service of its own: DevTools delivers pushes to the worker in its
place, and where a test needs a subscription, one of a push service on this machine takes the place
of what `PushManager` returns. A click on a notification is an event of the test's, which may
neither focus nor open a window: the browser allows that after a real click alone.
"""

import json
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import CDPSession
from playwright.sync_api import Locator
from playwright.sync_api import Page
from playwright.sync_api import Worker
from playwright.sync_api import expect

from ..harness.push_service import PushService
from ..harness.push_service import Subscription
from ..harness.push_service import push_service
from ..harness.waiting import eventually
from .page import BLANK
from .restartable import Restartable

LIST = "/accounts/1/conversations"
KEVIN = 2

# A browser whose push service has given it the subscription.
SUBSCRIBING = """(() => {
  const given = %s;
  const plain = (text) => text.replaceAll("-", "+").replaceAll("_", "/");
  const bytes = (text) => Uint8Array.from(atob(plain(text)), (c) => c.charCodeAt(0));
  const stored = () => {
    const key = localStorage.getItem("given");
    if (key === null) return null;
    return {
      endpoint: given.endpoint,
      options: { applicationServerKey: bytes(key).buffer },
      toJSON: () => ({ keys: { p256dh: given.p256dh, auth: given.auth } }),
      unsubscribe: async () => localStorage.removeItem("given"),
    };
  };
  PushManager.prototype.getSubscription = async () => stored();
  PushManager.prototype.subscribe = async ({ applicationServerKey, userVisibleOnly }) => {
    if (!userVisibleOnly) throw new Error("Chromium subscribes for visible notifications only");
    localStorage.setItem("given", applicationServerKey);
    return stored();
  };
})();"""


@pytest.fixture(scope="module")
def chromium(whole_chromium: Browser) -> Browser:
    return whole_chromium


@pytest.fixture(scope="module")
def service() -> Iterator[PushService]:
    with push_service() as service:
        yield service


@pytest.fixture(scope="module")
def restartable(
    tmp_path_factory: pytest.TempPathFactory, service: PushService
) -> Iterator[Restartable]:
    """A server that sends to the push service of this machine, too."""
    folder = tmp_path_factory.mktemp("server")
    with Restartable(
        folder, RTAPP_STREAMS_PER_USER="0", RTAPP_RATE_LIMITS="off",
        PUSH_ENDPOINT_HOSTS=service.host,
    ) as server:  # fmt: skip
        yield server


@pytest.fixture
def kevin(window: Callable[..., Page], server: str) -> Page:
    """Kevin's browser, which may notify him. No page of the inbox is open yet."""
    page = window("kevin", BLANK)
    page.context.grant_permissions(["notifications"], origin=server)
    return page


@pytest.fixture
def subscription(kevin: Page, service: PushService) -> Subscription:
    """What Kevin's browser gets if it subscribes."""
    public_key = own(kevin)["public_key"]
    given = service.subscribe(public_key)
    kevin.context.add_init_script(SUBSCRIBING % json.dumps(given._asdict()))
    return given


def own(page: Page) -> dict[str, Any]:
    """What the server has of this browser's session."""
    answer: dict[str, Any] = page.context.request.get("/push_subscription").json()
    return answer


def switch(page: Page) -> Locator:
    """The switch in the settings, which are opened."""
    page.get_by_label("your status and settings").click()
    return page.get_by_label("Notify me on this device when rtapp is closed")


def turn_on(page: Page) -> Locator:
    """Turn the switch on, and wait until the server has the subscription."""
    box = switch(page)
    box.click()
    expect(box).to_be_enabled()
    expect(box).to_be_checked()
    return box


def problem(page: Page) -> Locator:
    return page.locator("#push-problem")


def registrations(page: Page) -> int:
    count: int = page.evaluate(
        "async () => (await navigator.serviceWorker.getRegistrations()).length"
    )
    return count


# The switch


def test_the_browser_is_asked_at_the_click_and_not_before(window):
    page = window("kevin")
    page.evaluate(
        """() => {
          globalThis.asked = 0;
          const request = Notification.requestPermission.bind(Notification);
          Notification.requestPermission = () => (asked++, request());
        }"""
    )
    box = switch(page)
    expect(box).to_be_enabled()
    expect(problem(page)).to_be_empty()
    assert (page.evaluate("asked"), registrations(page)) == (0, 0)
    box.click()
    expect(problem(page)).to_contain_text("blocked in the browser")  # as headless Chromium answers
    expect(box).not_to_be_checked()
    assert (page.evaluate("asked"), registrations(page)) == (1, 0)
    assert own(page)["endpoint"] is None


def test_a_browser_that_blocks_notifications_is_explained_before_the_click(window):
    page = window("kevin")
    page.evaluate("Notification.requestPermission()")
    page.reload()
    switch(page)
    expect(problem(page)).to_contain_text("blocked in the browser")


def test_a_browser_whose_push_service_is_not_reached_is_explained(kevin):
    kevin.goto(LIST)
    box = switch(kevin)
    box.click()
    expect(problem(kevin)).to_contain_text("push service can't be reached")
    expect(box).not_to_be_checked()
    expect(box).to_be_enabled()
    assert own(kevin)["endpoint"] is None


def test_a_browser_without_push_is_explained(kevin):
    kevin.context.add_init_script("delete globalThis.PushManager")
    kevin.goto(LIST)
    expect(switch(kevin)).to_be_disabled()
    expect(problem(kevin)).to_contain_text("This browser can't do that")


def test_a_server_that_is_not_set_up_is_explained(kevin):
    nothing = {"public_key": None, "endpoint": None}
    kevin.route("**/push_subscription", lambda route: route.fulfill(json=nothing))
    kevin.goto(LIST)
    expect(switch(kevin)).to_be_disabled()
    expect(problem(kevin)).to_contain_text("not set up")


def test_the_switch_subscribes_and_unsubscribes_and_is_as_it_was_after_a_reload(
    kevin, subscription
):
    kevin.goto(LIST)
    turn_on(kevin)
    assert own(kevin)["endpoint"] == subscription.endpoint
    kevin.reload()
    box = switch(kevin)
    expect(box).to_be_checked()
    box.click()
    expect(box).not_to_be_checked()
    expect(box).to_be_enabled()
    assert own(kevin)["endpoint"] is None
    assert kevin.evaluate("localStorage.getItem('given')") is None
    kevin.reload()
    box = switch(kevin)
    expect(box).to_be_enabled()
    expect(box).not_to_be_checked()


def test_the_switch_is_off_for_the_next_user_of_the_browser(kevin, subscription):
    kevin.goto(LIST)
    turn_on(kevin)
    assert own(kevin)["endpoint"] == subscription.endpoint
    credentials = {"email": "ada@example.com", "password": "password"}
    assert kevin.context.request.post("/login", data=credentials).ok
    kevin.goto(LIST)
    box = switch(kevin)
    expect(box).to_be_enabled()
    expect(box).not_to_be_checked()
    assert own(kevin)["endpoint"] is None


def test_a_customers_message_is_pushed_once_the_page_is_closed(
    kevin, restartable, service, subscription
):
    kevin.goto(LIST)
    turn_on(kevin)
    kevin.goto(BLANK)
    visitor = restartable.flask("token", "visitor", "maria.lindqvist@example.com")
    restartable.post(visitor, "/conversations/1/messages", content="Is anybody there?")
    (push,) = eventually(lambda: service.received(subscription), "the message is pushed")
    assert (push["title"], push["body"]) == ("Maria Lindqvist wrote", "Is anybody there?")
    assert push["user"] == KEVIN


# The service worker


class Device:
    """A browser with the service worker, to which the test delivers pushes."""

    def __init__(self, page: Page, server: str):
        self.page = page
        self._server = server
        self._cdp: CDPSession = page.context.new_cdp_session(page)
        found: list[dict[str, Any]] = []
        self._cdp.on(
            "ServiceWorker.workerRegistrationUpdated",
            lambda event: found.extend(event["registrations"]),
        )
        self._cdp.send("ServiceWorker.enable")
        page.goto(LIST)
        page.evaluate(
            """async () => {
              await navigator.serviceWorker.register("/service_worker.js");
              await navigator.serviceWorker.ready;
            }"""
        )
        page.reload()  # from now on it controls the page
        (self._id,) = {each["registrationId"] for each in found}

    @property
    def worker(self) -> Worker:
        (worker,) = self.page.context.service_workers
        return worker

    def deliver(self, **content: object) -> None:
        """Deliver a push, and wait until the worker has handled it."""
        push = {
            "title": "Maria wrote", "body": "Hello?", "tag": "conversation-1",
            "path": "/conversations/1", "unread": 1, "user": KEVIN, **content,
        }  # fmt: skip
        self.worker.evaluate(
            """() => {
              globalThis.handled = 0;
              if (globalThis.original) return;
              globalThis.original = notify;
              notify = async (payload) => {
                await original(payload);
                globalThis.handled++;
              };
            }"""
        )
        asked = {"origin": self._server, "registrationId": self._id, "data": json.dumps(push)}
        self._cdp.send("ServiceWorker.deliverPushMessage", asked)
        eventually(lambda: self.worker.evaluate("handled") == 1, "the push is handled")

    def shown(self) -> list[list[str]]:
        """The title, text and tag of each notification."""
        shown: list[list[str]] = self.worker.evaluate(
            """async () => (await registration.getNotifications())
              .map(({title, body, tag}) => [title, body, tag])"""
        )
        return shown

    def click(self) -> None:
        self.worker.evaluate(
            """async () => {
              const [notification] = await registration.getNotifications();
              dispatchEvent(new NotificationEvent("notificationclick", { notification }));
            }"""
        )


@pytest.fixture
def device(kevin: Page, server: str) -> Device:
    return Device(kevin, server)


def test_a_push_is_shown_while_no_page_is_open(device):
    device.page.goto(BLANK)
    device.deliver()
    assert device.shown() == [["Maria wrote", "Hello?", "conversation-1"]]


def test_a_second_push_of_a_conversation_takes_the_place_of_the_first(device):
    device.page.goto(BLANK)
    device.deliver()
    device.deliver(body="Hello??", unread=2)
    assert device.shown() == [["Maria wrote (2)", "Hello??", "conversation-1"]]
    device.deliver(title="Priya wrote", tag="conversation-2", unread=100)
    assert sorted(title for title, _, _ in device.shown()) == [
        "Maria wrote (2)", "Priya wrote (99+)",
    ]  # fmt: skip


def test_a_push_is_not_shown_beside_a_visible_page(device):
    assert device.page.evaluate("document.visibilityState") == "visible"
    device.deliver()
    assert device.shown() == []


def test_a_push_is_shown_beside_a_visible_page_where_the_browser_insists(device):
    """Safari does, by the host of its push service."""
    device.worker.evaluate(
        """() => {
          const endpoint = "https://web.push.apple.com/x";
          PushManager.prototype.getSubscription = async () => ({ endpoint });
        }"""
    )
    device.deliver()
    assert device.shown() == [["Maria wrote", "Hello?", "conversation-1"]]


def test_a_push_for_another_user_than_the_one_who_is_signed_in_is_not_shown(device):
    device.page.goto(BLANK)
    device.deliver(user=KEVIN + 1)
    assert device.shown() == []
    device.deliver()
    assert len(device.shown()) == 1


def test_a_push_is_not_shown_after_signing_out(device):
    token = device.page.locator("meta[name=csrf-token]").get_attribute("content")
    device.page.goto(BLANK)
    request = device.page.context.request
    assert request.post("/logout", headers={"X-CSRF-Token": token}, max_redirects=0).ok
    device.deliver()
    assert device.shown() == []


def test_a_push_is_shown_while_the_server_does_not_answer(device, restartable):
    device.page.goto(BLANK)
    device.page.context.route("**/me", lambda route: route.abort())
    device.worker.evaluate("() => { fetch = async () => { throw new TypeError('no answer'); }; }")
    device.deliver()
    assert len(device.shown()) == 1


def test_a_click_opens_the_conversation_in_the_open_tab_and_closes_the_notification(device):
    device.page.goto(BLANK)
    device.deliver()
    device.page.goto(LIST)
    device.click()
    expect(device.page).to_have_url("/conversations/1")
    assert device.shown() == []


def test_a_click_leaves_a_tab_that_shows_the_conversation_as_it_is(device):
    device.page.goto(BLANK)
    device.deliver()
    device.page.goto("/conversations/1?assignee=me")
    device.page.evaluate("globalThis.here = true")
    device.click()
    eventually(lambda: device.shown() == [], "the notification is closed")
    device.worker.evaluate("async () => (await show('/conversations/1')).url")
    assert device.page.evaluate("globalThis.here")


def test_without_an_open_tab_a_click_opens_a_window(device):
    device.page.goto(BLANK)
    refused = device.worker.evaluate("() => show('/conversations/1').then(String, String)")
    assert "Not allowed to open a window" in refused


RENEWED = """(given) => renew({
  endpoint: given.endpoint, toJSON: () => ({ keys: { p256dh: given.p256dh, auth: given.auth } }),
})"""


def test_a_subscription_that_the_browser_renews_takes_the_place_of_the_former_one(
    kevin, server, service, subscription
):
    device = Device(kevin, server)
    turn_on(kevin)
    renewed = service.subscribe(own(kevin)["public_key"])
    device.worker.evaluate(RENEWED, renewed._asdict())
    assert own(kevin)["endpoint"] == renewed.endpoint


def test_a_subscription_that_is_renewed_is_not_given_to_a_user_without_one(device, service):
    renewed = service.subscribe(own(device.page)["public_key"])
    device.worker.evaluate(RENEWED, renewed._asdict())
    assert own(device.page)["endpoint"] is None
