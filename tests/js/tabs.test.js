/** A leader and its followers, and the messages between them, without locks and channels. */

import assert from "node:assert/strict";
import test from "node:test";

import { Credentials } from "../../static/js/connector/credentials.js";
import { Follower } from "../../static/js/connector/follower.js";
import { Leader } from "../../static/js/connector/leader.js";
import { FakeEventSource, FakeTimers, settled, cursorIn, streamsIn } from "./fakes.js";

const CALLBACKS = ["Connected", "Disconnected", "Reset", "Rejected", "Closed", "Ping", "Fragment", "MessageCreated", "Typing"];

/** Tabs of one browser. `tab(name)` opens one, `lead()` replaces the leader. */
function setUp({ probe = async () => ({ status: 200 }), ...options } = {}) {
  const timers = new FakeTimers();
  const tabs = new Map();
  const probed = [];
  let leader;
  let term = 0;
  FakeEventSource.instances = [];

  const recordProbe = async (url) => {
    const stream = new URL(url, "http://x").searchParams.getAll("stream").join();
    probed.push(stream);
    return probe(stream);
  };
  const lead = () => {
    leader?.close();
    const mine = ++term;
    const post = (message) => tabs.forEach((tab) => tab.follower.receive({ ...structuredClone(message), term: mine }));
    const common = { EventSource: FakeEventSource, timers, now: timers.wallClock, random: () => 0.5, probe: recordProbe, credentials: new Credentials() };
    leader = new Leader({ url: "/streams", format: "json", ...common, ...options }, post);
    leader.start();
  };
  const tab = (name) => {
    const follower = new Follower((message) => leader.receive(structuredClone({ ...message, tab: name })));
    const received = [];
    tabs.set(name, { follower });
    const subscribe = (stream, cursor = "e-1-0") => {
      const record = (callback) => (...values) => received.push([callback, stream, ...values]);
      const subscription = { stream, cursor, callbacks: Object.fromEntries(CALLBACKS.map((c) => [`on${c}`, record(c)])) };
      follower.add(subscription);
      return subscription;
    };
    const close = () => {
      tabs.delete(name);
      leader.receive({ type: "bye", tab: name });
    };
    const retry = () => leader.receive({ type: "retry", tab: name });
    return { follower, received, subscribe, close, retry, names: () => received.map(([callback]) => callback) };
  };
  const settle = async () => {
    await settled();
    timers.pass(50);
    await settled();
  };
  lead();
  return { tab, lead, settle, timers, probed, sources: FakeEventSource.instances, source: () => FakeEventSource.instances.at(-1) };
}

const open = (source, id = cursorIn(source), fields = {}) => source.emit("stream.open", { resumed: true, heartbeat: 15, ...fields }, id);

function emitMessage(source, stream, id, content = id) {
  source.emit("message.created", { event: "message.created", stream, timestamp: 1, data: { content } }, id);
}

const contents = ({ received }) => received.filter(([name]) => name === "MessageCreated").map(([, , { content }]) => content);

// ---- the union

test("one connection has the streams of all tabs, and each tab receives its own", async () => {
  const { tab, settle, sources, source } = setUp();
  const [one, two] = [tab("one"), tab("two")];
  one.subscribe("account:1");
  one.subscribe("conversation:1");
  two.subscribe("account:1");
  two.subscribe("conversation:2");
  await settle();

  assert.equal(sources.length, 1);
  assert.deepEqual(streamsIn(source()), ["account:1", "conversation:1", "conversation:2"]);
  open(source());
  emitMessage(source(), "conversation:1", "e-2-0", "for one");
  emitMessage(source(), "conversation:2", "e-3-0", "for two");

  assert.deepEqual(contents(one), ["for one"]);
  assert.deepEqual(contents(two), ["for two"]);
  assert.deepEqual(one.names().slice(0, 2), ["Connected", "Connected"]);
});

test("a callback receives the data and the envelope's other fields", async () => {
  const { tab, settle, source } = setUp();
  const one = tab("one");
  one.subscribe("conversation:1");
  await settle();
  open(source());

  emitMessage(source(), "conversation:1", "e-2-0", "Hi");

  const meta = { id: "e-2-0", event: "message.created", stream: "conversation:1", timestamp: 1 };
  assert.deepEqual(one.received.at(-1), ["MessageCreated", "conversation:1", { content: "Hi" }, meta]);
});

test("a fragment is delivered to its stream's subscriptions, and one without data-stream to all", async () => {
  const { tab, settle, source } = setUp({ format: "turbo" });
  const [one, two] = [tab("one"), tab("two")];
  one.subscribe("conversation:1");
  two.subscribe("conversation:2");
  await settle();
  open(source());

  source().emit("message", '<turbo-stream action="append" target="m" data-stream="conversation:1"></turbo-stream>', "e-2-0");
  assert.equal(one.names().filter((name) => name === "Fragment").length, 1);
  assert.equal(two.names().filter((name) => name === "Fragment").length, 0);
  source().emit("message", '<turbo-stream action="append" target="m"></turbo-stream>', "e-3-0");
  assert.equal(two.names().filter((name) => name === "Fragment").length, 1);
});

test("an exception in a tab's callback is reported and does not disturb other tabs", async (t) => {
  const reported = t.mock.method(console, "error", () => {});
  const { tab, settle, source } = setUp();
  const [one, two] = [tab("one"), tab("two")];
  one.subscribe("conversation:1").callbacks.onMessageCreated = () => {
    throw new Error("a bug in the page");
  };
  two.subscribe("conversation:1");
  await settle();
  open(source());

  emitMessage(source(), "conversation:1", "e-2-0");

  assert.deepEqual(contents(two), ["e-2-0"]);
  assert.equal(reported.mock.callCount(), 1);
});

// ---- joining later

test("a tab whose page is newer than the connection reopens it for its snapshots, and receives no event twice", async () => {
  const { tab, settle, sources, source } = setUp();
  tab("one").subscribe("conversation:1");
  await settle();
  open(source());
  emitMessage(source(), "conversation:1", "e-5-0");
  const two = tab("two");
  two.subscribe("conversation:1", "e-6-0");
  await settle();

  assert.equal(sources.length, 2, "it reopens, and sends typing and viewers");
  open(source(), "e-5-0");
  assert.deepEqual(two.names(), ["Connected"]);
  emitMessage(source(), "conversation:1", "e-6-0", "in the page");
  emitMessage(source(), "conversation:1", "e-7-0", "new");
  assert.deepEqual(contents(two), ["new"]);
});

test("an older page receives what it misses, and no tab receives an event twice", async () => {
  const { tab, settle, sources, source } = setUp();
  const one = tab("one");
  one.subscribe("conversation:1");
  await settle();
  open(source());
  emitMessage(source(), "conversation:1", "e-5-0");
  const two = tab("two");
  two.subscribe("conversation:1", "e-3-0");
  await settled();
  emitMessage(source(), "conversation:1", "e-6-0");
  assert.deepEqual(contents(two), [], "not before what is older");
  await settle();

  assert.equal(sources.length, 2);
  assert.ok(sources[0].isClosed);
  assert.equal(cursorIn(source()), "e-3-0");
  open(source());
  for (const id of ["e-5-0", "e-6-0", "e-7-0"]) emitMessage(source(), "conversation:1", id);
  assert.deepEqual(contents(one), ["e-5-0", "e-6-0", "e-7-0"]);
  assert.deepEqual(contents(two), ["e-5-0", "e-6-0", "e-7-0"]);
  assert.ok(!one.names().includes("Disconnected"));
});

test("a stream that is new to the connection is requested from the connection's cursor", async () => {
  const { tab, settle, source } = setUp();
  tab("one").subscribe("conversation:1");
  await settle();
  open(source());
  emitMessage(source(), "conversation:1", "e-5-0");
  tab("two").subscribe("conversation:2", "e-9-0");
  await settle();

  assert.equal(cursorIn(source()), "e-5-0");
  assert.deepEqual(streamsIn(source()), ["conversation:1", "conversation:2"]);
});

test("tabs that open together cost one connection", async () => {
  const { tab, settle, sources } = setUp();
  for (let i = 1; i <= 9; i++) tab(`tab ${i}`).subscribe(`conversation:${i}`);
  await settle();

  assert.equal(sources.length, 1);
});

test("a page with a cursor of another epoch resets alone", async () => {
  const { tab, settle, sources, source } = setUp();
  const one = tab("one");
  one.subscribe("conversation:1");
  await settle();
  open(source());
  const two = tab("two");
  two.subscribe("conversation:1", "old-900-0");
  await settle();

  assert.equal(sources.length, 1);
  assert.deepEqual(two.names(), ["Reset", "Connected"]);
  assert.ok(!one.names().includes("Reset"));
});

test("a reset is delivered to every tab, which continues from its cursor", async () => {
  const { tab, settle, source } = setUp();
  const [one, two] = [tab("one"), tab("two")];
  one.subscribe("conversation:1");
  two.subscribe("conversation:2");
  await settle();
  open(source(), "f-9-0", { resumed: false });

  source().emit("stream.reset", { reason: "unknown_cursor" }, "f-9-0");
  emitMessage(source(), "conversation:1", "f-10-0");

  for (const tab of [one, two]) assert.equal(tab.names().filter((name) => name === "Reset").length, 1);
  assert.deepEqual(contents(one), ["f-10-0"]);
});

// ---- leaving

test("an unwanted stream is closed after it has lingered", async () => {
  const { tab, settle, timers, sources, source } = setUp();
  tab("one").subscribe("conversation:1");
  const two = tab("two");
  two.subscribe("conversation:2");
  await settle();
  open(source());

  two.close();
  timers.pass(14_000);
  source().emit("stream.ping", { lag: 0 });
  timers.pass(15_999);
  assert.equal(sources.length, 1);
  timers.pass(1);

  assert.equal(sources.length, 2);
  assert.deepEqual(streamsIn(source()), ["conversation:1"]);
});

test("a tab that returns during the linger finds its stream", async () => {
  const { tab, settle, timers, sources, source } = setUp();
  tab("one").subscribe("conversation:1");
  const two = tab("two");
  two.subscribe("conversation:2");
  await settle();
  open(source());

  two.close();
  timers.pass(10_000);
  tab("two again").subscribe("conversation:2");
  await settle();
  open(source());
  source().emit("stream.ping", { lag: 0 });
  timers.pass(30_000);

  assert.equal(sources.length, 2, "reopened once for the snapshots, and not closed");
});

test("the connection closes after the last tab", async () => {
  const { tab, settle, timers, source } = setUp();
  const one = tab("one");
  one.subscribe("conversation:1");
  await settle();
  open(source());

  one.close();
  timers.pass(30_000);

  assert.ok(source().isClosed);
});

test("a tab whose streams exceed 32 on the connection receives `full`", async () => {
  const { tab, settle, source } = setUp();
  const [one, two] = [tab("one"), tab("two")];
  const full = [];
  two.follower.receive = (message) => message.type === "full" && full.push(message.tab);
  for (let i = 1; i <= 31; i++) one.subscribe(`conversation:${i}`);
  await settle();
  two.subscribe("conversation:40");
  two.subscribe("conversation:41");
  await settle();

  assert.deepEqual(full, ["two"]);
  assert.equal(streamsIn(source()).length, 31);
});

// ---- taking over

test("a new leader starts at the oldest cursor of all tabs", async () => {
  const { tab, lead, settle, sources, source } = setUp();
  const [one, two] = [tab("one"), tab("two")];
  one.subscribe("conversation:1");
  await settle();
  open(source());
  emitMessage(source(), "conversation:1", "e-5-0");
  two.subscribe("conversation:2", "e-8-0");
  await settle();
  open(source());

  lead();
  await settle();

  assert.ok(sources.slice(0, -1).every(({ isClosed }) => isClosed));
  assert.equal(cursorIn(source()), "e-5-0");
  open(source());
  emitMessage(source(), "conversation:1", "e-6-0");
  assert.deepEqual(contents(one), ["e-5-0", "e-6-0"]);
  assert.ok(!one.names().includes("Disconnected"), "no interruption");
});

test("messages of a replaced leader are ignored", async () => {
  const { tab, lead, settle, source } = setUp();
  const one = tab("one");
  one.subscribe("conversation:1");
  await settle();
  open(source());
  lead();
  await settle();
  open(source());

  one.follower.receive({ type: "event", term: 1, name: "message.created", data: "{}", id: "e-9-0" });
  one.follower.receive({ type: "wait", term: 1, reason: "network" });

  assert.deepEqual(one.names(), ["Connected"]);
});

// ---- interruptions

test("an interruption and its end are delivered once to every tab", async () => {
  const { tab, settle, source, timers } = setUp();
  const [one, two] = [tab("one"), tab("two")];
  one.subscribe("conversation:1");
  two.subscribe("conversation:2");
  await settle();
  open(source());
  timers.pass(10_000);

  source().fail(0);
  source().fail(0);
  timers.pass(1_000);
  open(source());

  for (const tab of [one, two]) assert.deepEqual(tab.names(), ["Connected", "Disconnected", "Connected"]);
});

test("a tab that opens during an interruption receives onDisconnected", async () => {
  const { tab, settle, source } = setUp();
  tab("one").subscribe("conversation:1");
  await settle();
  open(source());
  source().fail(0);
  const two = tab("two");
  two.subscribe("conversation:1");
  await settle();

  assert.deepEqual(two.names(), ["Disconnected"]);
});

test("a resumed connection advances the cursor past ids without data", async () => {
  const { tab, settle, timers, source } = setUp({ format: "turbo" });
  const one = tab("one");
  const subscription = one.subscribe("conversation:1");
  await settle();
  open(source());
  timers.pass(10_000);

  source().fail(0);
  open(source(), "e-4-0"); // ids without data have moved it
  tab("two").subscribe("conversation:1", "e-4-0");
  await settle();

  assert.equal(subscription.cursor, "e-4-0");
  assert.match(source().url, /last_event_id=e-4-0/);
});

test("a connection that did not resume leaves the cursor to the reset", async () => {
  const { tab, settle, source } = setUp();
  const subscription = tab("one").subscribe("conversation:1");
  await settle();

  open(source(), "e-4-0", { resumed: false });
  assert.equal(subscription.cursor, "e-1-0");
  source().emit("stream.reset", { reason: "history_lost" }, "e-4-0");
  assert.equal(subscription.cursor, "e-4-0");
});

// ---- refusals

test("one refused stream does not end the others", async () => {
  const probe = async (stream) => ({ status: stream.includes("conversation:2") ? 404 : 200 });
  const { tab, settle, probed, source } = setUp({ probe });
  const [one, two] = [tab("one"), tab("two")];
  one.subscribe("conversation:1");
  two.subscribe("conversation:2");
  await settle();
  source().fail(2);
  await settle();

  assert.deepEqual(probed, ["conversation:1,conversation:2", "conversation:1", "conversation:2"]);
  assert.deepEqual(streamsIn(source()), ["conversation:1"]);
  open(source());
  assert.deepEqual(two.received.slice(-2), [
    ["Rejected", "conversation:2", { status: 404, reason: "forbidden" }],
    ["Closed", "conversation:2", { status: 404, reason: "forbidden" }],
  ]);
  assert.equal(one.names().at(-1), "Connected");
});

test("a stream that is forbidden while it is open is probed and refused", async () => {
  const probe = async (stream) => ({ status: stream === "conversation:2" ? 404 : 200 });
  const { tab, settle, source } = setUp({ probe });
  const one = tab("one");
  one.subscribe("conversation:1");
  one.subscribe("conversation:2");
  await settle();
  open(source());
  emitMessage(source(), "conversation:1", "e-5-0");

  source().emit("stream.closed", { reason: "forbidden", reconnect: false });
  await settle();

  assert.deepEqual(streamsIn(source()), ["conversation:1"]);
  assert.equal(cursorIn(source()), "e-5-0");
  assert.ok(one.received.some(([name, stream]) => name === "Rejected" && stream === "conversation:2"));
  assert.ok(!one.received.some(([name, stream]) => name === "Rejected" && stream === "conversation:1"));
});

test("a refusal that no single stream explains is retried with back-off", async () => {
  const probe = async (stream) => ({ status: stream.includes(",") ? 404 : 200 });
  const { tab, settle, timers, sources, source } = setUp({ probe });
  const one = tab("one");
  one.subscribe("conversation:1");
  one.subscribe("conversation:2");
  await settle();
  for (const wait of [750, 1_500, 3_000]) {
    const before = sources.length;
    source().fail(2);
    await settled();
    timers.pass(wait - 1);
    assert.equal(sources.length, before);
    timers.pass(1);
    assert.equal(sources.length, before + 1);
  }
  assert.ok(!one.names().includes("Rejected"));
});

for (const [how, refuse] of [
  ["an answer of 401", (source) => source.fail(2)],
  ["stream.closed", (source) => source.emit("stream.closed", { reason: "signed_out", reconnect: false })],
]) {
  test(`signed out by ${how}: every tab is rejected, and no request follows`, async () => {
    const { tab, settle, timers, sources, source } = setUp({ probe: async () => ({ status: 401 }) });
    const [one, two] = [tab("one"), tab("two")];
    one.subscribe("conversation:1");
    two.subscribe("conversation:2");
    await settle();

    refuse(source());
    await settle();
    timers.pass(1_000); // until the session is asked for a second time
    await settle();
    timers.pass(600_000);

    assert.equal(sources.length, 1);
    for (const { received } of [one, two]) {
      assert.deepEqual(received.slice(-2).map(([name, , { status }]) => [name, status]), [["Rejected", 401], ["Closed", 401]]);
    }
  });
}

// ---- renewing

/** Credentials whose renew() gives the answers in turn; an Error is thrown. */
function credentialsThat(...answers) {
  const credentials = { secret: "one", isMissing: false, asked: 0 };
  credentials.renew = async () => {
    const answer = answers[credentials.asked++] ?? false;
    if (answer instanceof Error) throw answer;
    if (answer) Object.assign(credentials, { secret: answer, isMissing: false });
    return Boolean(answer);
  };
  return credentials;
}

/** Sources that note with which secret they were opened. */
function noting(credentials) {
  const secrets = [];
  class NotingSource extends FakeEventSource {
    constructor(url) {
      super(url);
      secrets.push(credentials.secret);
    }
  }
  return { secrets, EventSource: NotingSource };
}
const signedOut = (source) => source.emit("stream.closed", { reason: "signed_out", reconnect: false });

for (const [how, refuse] of [
  ["an answer of 401", (source) => source.fail(2)],
  ["stream.closed", signedOut],
]) {
  test(`a token that ends by ${how} is renewed: every tab goes on from its cursor, and none is rejected`, async () => {
    const credentials = credentialsThat("two");
    const { secrets, EventSource } = noting(credentials);
    const { tab, settle, timers, sources, source } = setUp({ probe: async () => ({ status: 401 }), credentials, EventSource });
    const [one, two] = [tab("one"), tab("two")];
    one.subscribe("conversation:1");
    two.subscribe("conversation:2");
    await settle();
    open(source());
    emitMessage(source(), "conversation:1", "e-5-0");
    assert.deepEqual(secrets, ["one"]);

    refuse(source());
    await settle();
    timers.pass(1_000);

    assert.equal(sources.length, 2);
    assert.deepEqual(secrets, ["one", "two"]);
    assert.equal(cursorIn(source()), "e-5-0");
    open(source());
    for (const { names } of [one, two]) {
      assert.ok(!names().includes("Rejected"));
      assert.deepEqual(names().filter((name) => name !== "MessageCreated"), ["Connected", "Disconnected", "Connected"]);
    }
    assert.deepEqual(one.received.find(([name]) => name === "Disconnected").at(-1).reason, how === "stream.closed" ? "signed_out" : "network");
  });
}

test("a session whose new cookie comes late is asked for twice, and goes on", async () => {
  const credentials = credentialsThat(false, "two");
  const { tab, settle, timers, sources, source } = setUp({ credentials });
  const one = tab("one");
  one.subscribe("conversation:1");
  await settle();
  open(source());

  signedOut(source());
  for (let turn = 0; turn < 3; turn++) {
    await settle();
    timers.pass(2_000);
  }

  assert.equal(sources.length, 2);
  assert.ok(!one.names().includes("Rejected"));
});

test("credentials that can't be asked for now are asked for again, with a growing delay, and at once when the network is back", async () => {
  const away = new TypeError("network");
  const credentials = credentialsThat(away, away, away, away, "two");
  const { tab, settle, timers, source } = setUp({ credentials });
  const one = tab("one");
  one.subscribe("conversation:1");
  await settle();
  open(source());

  signedOut(source());
  await settle();
  for (const [wait, asked] of [[700, 2], [1_450, 3], [2_950, 4]]) {
    assert.equal(credentials.asked, asked - 1);
    timers.pass(wait);
    await settle();
    assert.equal(credentials.asked, asked);
  }
  one.retry();
  await settle();
  assert.equal(credentials.asked, 5);
  assert.ok(!one.names().includes("Rejected"));
});

test("tokens that are refused one after another end the streams after two renewals", async () => {
  const credentials = credentialsThat("two", "three", "four", "five");
  const { secrets, EventSource } = noting(credentials);
  const { tab, settle, timers, source } = setUp({ probe: async () => ({ status: 401 }), credentials, EventSource });
  const one = tab("one");
  one.subscribe("conversation:1");
  await settle();
  for (let turn = 0; turn < 20; turn++) {
    if (!source().isClosed) source().fail(2);
    await settle();
    timers.pass(30_000);
  }

  assert.deepEqual(secrets, ["one", "two", "three"]);
  assert.equal(credentials.asked, 2);
  assert.deepEqual(one.names().slice(-2), ["Rejected", "Closed"]);
});

test("a token is renewed again and again, as long as the streams open in between", async () => {
  const credentials = credentialsThat("two", "three", "four", "five");
  const { secrets, EventSource } = noting(credentials);
  const { tab, settle, timers, source } = setUp({ credentials, EventSource });
  const one = tab("one");
  one.subscribe("conversation:1");
  await settle();
  for (let turn = 0; turn < 4; turn++) {
    open(source());
    timers.pass(10_000);
    signedOut(source());
    await settle();
    timers.pass(1_000);
  }

  assert.deepEqual(secrets, ["one", "two", "three", "four", "five"]);
  assert.ok(!one.names().includes("Rejected"));
});

test("credentials that an action has renewed meanwhile are compared with those of the connection", async () => {
  const credentials = credentialsThat();
  const refused = [];
  credentials.renew = async (secret) => refused.push(secret) > 0;
  const { tab, settle, source } = setUp({ credentials });
  tab("one").subscribe("conversation:1");
  await settle();
  open(source());
  credentials.secret = "two"; // an action has renewed them

  signedOut(source());
  await settle();
  assert.deepEqual(refused, ["one"]);
});

test("a connection that is opened for another stream goes on with the back-off of the one before", async () => {
  const { tab, settle, timers, sources, source } = setUp();
  const one = tab("one");
  one.subscribe("conversation:1");
  await settle();
  for (let cut = 0; cut < 4; cut++) {
    open(source());
    source().fail(0);
    timers.pass(30_000);
  }
  one.subscribe("conversation:2");
  await settle();
  open(source());
  source().fail(0);
  const before = sources.length;
  timers.pass(11_999); // three quarters of the 16 s of the fifth failure
  assert.equal(sources.length, before);
  timers.pass(1);
  assert.equal(sources.length, before + 1);
});

test("a visitor's first stream waits for the token", async () => {
  const credentials = Object.assign(credentialsThat("one"), { secret: "", isMissing: true });
  const { secrets, EventSource } = noting(credentials);
  const { tab, settle, source } = setUp({ credentials, EventSource });
  const one = tab("one");
  one.subscribe("conversation:1");
  await settle();
  await settle();

  assert.deepEqual(secrets, ["one"]);
  open(source());
  assert.deepEqual(one.names(), ["Connected"]);
});

test("a tab that opens while the credentials are renewed is served by the renewed connection only", async () => {
  const credentials = credentialsThat();
  let answer;
  credentials.renew = () => new Promise((resolve) => (answer = resolve));
  const { tab, settle, timers, sources, source } = setUp({ credentials });
  tab("one").subscribe("conversation:1");
  await settle();
  open(source());
  signedOut(source());
  await settle();
  tab("two").subscribe("conversation:2");
  await settle();
  timers.pass(60_000);
  await settle();
  assert.equal(sources.length, 1);

  answer(true);
  await settle();
  timers.pass(1_000);
  assert.equal(sources.length, 2);
  assert.deepEqual(streamsIn(source()), ["conversation:1", "conversation:2"]);
});

test("streams that ended as signed out can be subscribed to again, from their cursors", async () => {
  const credentials = credentialsThat(false, false, "two");
  const { tab, settle, timers, sources, source } = setUp({ credentials });
  const one = tab("one");
  const subscription = one.subscribe("conversation:1");
  await settle();
  open(source());
  emitMessage(source(), "conversation:1", "e-5-0");
  signedOut(source());
  await settle();
  timers.pass(1_000);
  await settle();
  assert.equal(one.names().at(-1), "Closed");

  one.subscribe("conversation:1", subscription.cursor);
  await settle();
  assert.equal(sources.length, 2);
  assert.equal(cursorIn(source()), "e-5-0");
  open(source());
  assert.equal(one.names().at(-1), "Connected");
});

// ---- at random

test("in 200 random histories of tabs, leaders and connections, every tab receives exactly the events after its page", async () => {
  for (let seed = 1; seed <= 200; seed++) await atRandom(random(seed), seed);
});

/** One random history: a server's log, tabs, and actions on both. */
async function atRandom(next, seed) {
  const { tab, lead, settle, source, timers } = setUp();
  const log = [];
  const tabs = [];
  const at = { source: null, position: 0 };
  const pick = (list) => list[Math.floor(next() * list.length)];
  const serve = (most = Infinity) => {
    const present = source();
    if (present === undefined || present.isClosed) return;
    if (present !== at.source) {
      Object.assign(at, { source: present, position: Number(cursorIn(present).split("-")[1]) });
      open(present);
    }
    for (; at.position < log.length && most > 0 && !present.isClosed; at.position++, most--) {
      if (streamsIn(present).includes(log[at.position])) emitMessage(present, log[at.position], `e-${at.position + 1}-0`, at.position + 1);
    }
  };
  const happen = [
    () => log.push(pick(["conversation:1", "conversation:2", "conversation:3"])),
    () => serve(1),
    () => serve(),
    () => {
      const opened = tab(`tab ${tabs.length}`);
      const subscriptions = ["conversation:1", "conversation:2", "conversation:3"].filter(() => next() < 0.6);
      const from = Math.max(0, log.length - Math.floor(next() * 6)); // its page may be older than the connection
      tabs.push({ ...opened, isOpen: true, from, streams: subscriptions });
      subscriptions.forEach((stream) => opened.subscribe(stream, `e-${from}-0`));
    },
    () => {
      const present = tabs.filter(({ isOpen }) => isOpen);
      if (present.length < 2) return;
      const closing = pick(present);
      closing.isOpen = false;
      closing.close();
    },
    () => next() < 0.3 && lead(),
    () => source()?.emit("stream.closed", { reconnect: true, retry_after: 0 }),
    settle,
    settle,
  ];
  for (let step = 0; step < 60; step++) await pick(happen)();
  timers.pass(30_000); // a back-off
  for (let quiet = 0; quiet < 5; quiet++) {
    await settle();
    serve();
  }
  for (const { received, from, streams } of tabs.filter(({ isOpen }) => isOpen)) {
    const expected = log.flatMap((stream, i) => (i >= from && streams.includes(stream) ? [i + 1] : []));
    assert.deepEqual(contents({ received }), expected, `seed ${seed}`);
  }
}

/** Numbers in [0, 1) that are the same for the same seed (Park and Miller's generator). */
function random(seed) {
  let state = seed * 7919;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}
