/** A leader and its members, without locks and channels: what is said between them. */

import assert from "node:assert/strict";
import test from "node:test";

import { Leader } from "../../static/js/connector/leader.js";
import { Member } from "../../static/js/connector/follower.js";
import { FakeEventSource, FakeTimers, answered, cursorIn, streamsIn } from "./fakes.js";

const CALLBACKS = ["Connected", "Disconnected", "Reset", "Rejected", "Closed", "Ping", "Fragment", "MessageCreated", "Typing"];

/** Tabs of one browser: `tab(name)` opens one, `lead()` makes a new leader as when the old one has gone. */
function given({ ask = async () => ({ status: 200 }), ...options } = {}) {
  const timers = new FakeTimers();
  const tabs = new Map();
  const asked = [];
  let leader;
  let term = 0;
  FakeEventSource.made = [];

  const askAndNote = async (url) => {
    const stream = new URL(url, "http://x").searchParams.getAll("stream").join();
    asked.push(stream);
    return ask(stream);
  };
  const lead = () => {
    leader?.close();
    const mine = ++term;
    const post = (message) => tabs.forEach((tab) => tab.member.hear({ ...structuredClone(message), term: mine }));
    const common = { EventSource: FakeEventSource, timers, now: timers.wallClock, random: () => 0.5, ask: askAndNote };
    leader = new Leader({ url: "/streams", format: "json", ...common, ...options }, post);
    leader.start();
  };
  const tab = (name) => {
    const member = new Member((message) => leader.hear(structuredClone({ ...message, tab: name })));
    const heard = [];
    tabs.set(name, { member });
    const subscribe = (stream, cursor = "e-1-0") => {
      const note = (callback) => (...values) => heard.push([callback, stream, ...values]);
      const subscription = { stream, cursor, callbacks: Object.fromEntries(CALLBACKS.map((c) => [`on${c}`, note(c)])) };
      member.add(subscription);
      return subscription;
    };
    const close = () => {
      tabs.delete(name);
      leader.hear({ type: "bye", tab: name });
    };
    return { member, heard, subscribe, close, names: () => heard.map(([callback]) => callback) };
  };
  const settle = async () => {
    await answered();
    timers.pass(50);
    await answered();
  };
  lead();
  return { tab, lead, settle, timers, asked, sources: FakeEventSource.made, source: () => FakeEventSource.made.at(-1) };
}

const open = (source, id = cursorIn(source), fields = {}) => source.hear("stream.open", { resumed: true, heartbeat: 15, ...fields }, id);

function say(source, stream, id, content = id) {
  source.hear("message.created", { event: "message.created", stream, timestamp: 1, data: { content } }, id);
}

const contents = ({ heard }) => heard.filter(([name]) => name === "MessageCreated").map(([, , { content }]) => content);

// ---- the union

test("all tabs' streams are on one connection, and each tab hears its own", async () => {
  const { tab, settle, sources, source } = given();
  const [one, two] = [tab("one"), tab("two")];
  one.subscribe("account:1");
  one.subscribe("conversation:1");
  two.subscribe("account:1");
  two.subscribe("conversation:2");
  await settle();

  assert.equal(sources.length, 1);
  assert.deepEqual(streamsIn(source()), ["account:1", "conversation:1", "conversation:2"]);
  open(source());
  say(source(), "conversation:1", "e-2-0", "for one");
  say(source(), "conversation:2", "e-3-0", "for two");

  assert.deepEqual(contents(one), ["for one"]);
  assert.deepEqual(contents(two), ["for two"]);
  assert.deepEqual(one.names().slice(0, 2), ["Connected", "Connected"]);
});

test("a callback hears the data, and what the envelope says", async () => {
  const { tab, settle, source } = given();
  const one = tab("one");
  one.subscribe("conversation:1");
  await settle();
  open(source());

  say(source(), "conversation:1", "e-2-0", "Hi");

  const meta = { id: "e-2-0", event: "message.created", stream: "conversation:1", timestamp: 1 };
  assert.deepEqual(one.heard.at(-1), ["MessageCreated", "conversation:1", { content: "Hi" }, meta]);
});

test("a fragment goes to the stream that it names, and one that names none to all", async () => {
  const { tab, settle, source } = given({ format: "turbo" });
  const [one, two] = [tab("one"), tab("two")];
  one.subscribe("conversation:1");
  two.subscribe("conversation:2");
  await settle();
  open(source());

  source().hear("message", '<turbo-stream action="append" target="m" data-stream="conversation:1"></turbo-stream>', "e-2-0");
  assert.equal(one.names().filter((name) => name === "Fragment").length, 1);
  assert.equal(two.names().filter((name) => name === "Fragment").length, 0);
  source().hear("message", '<turbo-stream action="append" target="m"></turbo-stream>', "e-3-0");
  assert.equal(two.names().filter((name) => name === "Fragment").length, 1);
});

test("a mistake in one tab's callback keeps nobody else from hearing", async (t) => {
  const reported = t.mock.method(console, "error", () => {});
  const { tab, settle, source } = given();
  const [one, two] = [tab("one"), tab("two")];
  one.subscribe("conversation:1").callbacks.onMessageCreated = () => {
    throw new Error("a mistake in the page");
  };
  two.subscribe("conversation:1");
  await settle();
  open(source());

  say(source(), "conversation:1", "e-2-0");

  assert.deepEqual(contents(two), ["e-2-0"]);
  assert.equal(reported.mock.callCount(), 1);
});

// ---- joining later

test("a tab whose page is as new as the connection is told who is there, and no event twice", async () => {
  const { tab, settle, sources, source } = given();
  tab("one").subscribe("conversation:1");
  await settle();
  open(source());
  say(source(), "conversation:1", "e-5-0");
  const two = tab("two");
  two.subscribe("conversation:1", "e-6-0");
  await settle();

  assert.equal(sources.length, 2, "it begins again, with who types and who looks");
  open(source(), "e-5-0");
  assert.deepEqual(two.names(), ["Connected"]);
  say(source(), "conversation:1", "e-6-0", "in the page");
  say(source(), "conversation:1", "e-7-0", "new");
  assert.deepEqual(contents(two), ["new"]);
});

test("an older page gets what it misses, and nobody hears anything twice", async () => {
  const { tab, settle, sources, source } = given();
  const one = tab("one");
  one.subscribe("conversation:1");
  await settle();
  open(source());
  say(source(), "conversation:1", "e-5-0");
  const two = tab("two");
  two.subscribe("conversation:1", "e-3-0");
  await answered();
  say(source(), "conversation:1", "e-6-0");
  assert.deepEqual(contents(two), [], "not before what is older");
  await settle();

  assert.equal(sources.length, 2);
  assert.ok(sources[0].wasClosed);
  assert.equal(cursorIn(source()), "e-3-0");
  open(source());
  for (const id of ["e-5-0", "e-6-0", "e-7-0"]) say(source(), "conversation:1", id);
  assert.deepEqual(contents(one), ["e-5-0", "e-6-0", "e-7-0"]);
  assert.deepEqual(contents(two), ["e-5-0", "e-6-0", "e-7-0"]);
  assert.ok(!one.names().includes("Disconnected"));
});

test("a stream that is new to the connection is asked for from where it is", async () => {
  const { tab, settle, source } = given();
  tab("one").subscribe("conversation:1");
  await settle();
  open(source());
  say(source(), "conversation:1", "e-5-0");
  tab("two").subscribe("conversation:2", "e-9-0");
  await settle();

  assert.equal(cursorIn(source()), "e-5-0");
  assert.deepEqual(streamsIn(source()), ["conversation:1", "conversation:2"]);
});

test("tabs that come together cost one reopening", async () => {
  const { tab, settle, sources } = given();
  for (let i = 1; i <= 9; i++) tab(`tab ${i}`).subscribe(`conversation:${i}`);
  await settle();

  assert.equal(sources.length, 1);
});

test("a page from before Redis lost its memory starts over, alone", async () => {
  const { tab, settle, sources, source } = given();
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

test("a reset reaches every tab, which goes on from there", async () => {
  const { tab, settle, source } = given();
  const [one, two] = [tab("one"), tab("two")];
  one.subscribe("conversation:1");
  two.subscribe("conversation:2");
  await settle();
  open(source(), "f-9-0", { resumed: false });

  source().hear("stream.reset", { reason: "unknown_cursor" }, "f-9-0");
  say(source(), "conversation:1", "f-10-0");

  for (const tab of [one, two]) assert.equal(tab.names().filter((name) => name === "Reset").length, 1);
  assert.deepEqual(contents(one), ["f-10-0"]);
});

// ---- leaving

test("a stream that nobody wants any more is given up, but not at once", async () => {
  const { tab, settle, timers, sources, source } = given();
  tab("one").subscribe("conversation:1");
  const two = tab("two");
  two.subscribe("conversation:2");
  await settle();
  open(source());

  two.close();
  timers.pass(14_000);
  source().hear("stream.ping", { lag: 0 });
  timers.pass(15_999);
  assert.equal(sources.length, 1);
  timers.pass(1);

  assert.equal(sources.length, 2);
  assert.deepEqual(streamsIn(source()), ["conversation:1"]);
});

test("who comes back in time finds its stream", async () => {
  const { tab, settle, timers, sources, source } = given();
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
  source().hear("stream.ping", { lag: 0 });
  timers.pass(30_000);

  assert.equal(sources.length, 2, "told who is there, and not given up");
});

test("with the last tab the connection goes", async () => {
  const { tab, settle, timers, source } = given();
  const one = tab("one");
  one.subscribe("conversation:1");
  await settle();
  open(source());

  one.close();
  timers.pass(30_000);

  assert.ok(source().wasClosed);
});

test("a connection has room for 32 streams, and who has none is told", async () => {
  const { tab, settle, source } = given();
  const [one, two] = [tab("one"), tab("two")];
  const full = [];
  two.member.hear = (message) => message.type === "full" && full.push(message.tab);
  for (let i = 1; i <= 31; i++) one.subscribe(`conversation:${i}`);
  await settle();
  two.subscribe("conversation:40");
  two.subscribe("conversation:41");
  await settle();

  assert.deepEqual(full, ["two"]);
  assert.equal(streamsIn(source()).length, 31);
});

// ---- taking over

test("a new leader begins where the tab stands that has heard least", async () => {
  const { tab, lead, settle, sources, source } = given();
  const [one, two] = [tab("one"), tab("two")];
  one.subscribe("conversation:1");
  await settle();
  open(source());
  say(source(), "conversation:1", "e-5-0");
  two.subscribe("conversation:2", "e-8-0");
  await settle();
  open(source());

  lead();
  await settle();

  assert.ok(sources.slice(0, -1).every(({ wasClosed }) => wasClosed));
  assert.equal(cursorIn(source()), "e-5-0");
  open(source());
  say(source(), "conversation:1", "e-6-0");
  assert.deepEqual(contents(one), ["e-5-0", "e-6-0"]);
  assert.ok(!one.names().includes("Disconnected"), "nothing was amiss");
});

test("a leader that was replaced is not listened to", async () => {
  const { tab, lead, settle, source } = given();
  const one = tab("one");
  one.subscribe("conversation:1");
  await settle();
  open(source());
  lead();
  await settle();
  open(source());

  one.member.hear({ type: "event", term: 1, name: "message.created", data: "{}", id: "e-9-0" });
  one.member.hear({ type: "wait", term: 1, reason: "network" });

  assert.deepEqual(one.names(), ["Connected"]);
});

// ---- interruptions

test("an interruption is told once in every tab, and its end", async () => {
  const { tab, settle, source } = given();
  const [one, two] = [tab("one"), tab("two")];
  one.subscribe("conversation:1");
  two.subscribe("conversation:2");
  await settle();
  open(source());

  source().fail(0);
  source().fail(0);
  open(source());

  for (const tab of [one, two]) assert.deepEqual(tab.names(), ["Connected", "Disconnected", "Connected"]);
});

test("a tab that comes during an interruption is told so", async () => {
  const { tab, settle, source } = given();
  tab("one").subscribe("conversation:1");
  await settle();
  open(source());
  source().fail(0);
  const two = tab("two");
  two.subscribe("conversation:1");
  await settle();

  assert.deepEqual(two.names(), ["Disconnected"]);
});

test("what the browser resumed after, while nothing was shown of it, counts as heard", async () => {
  const { tab, settle, sources, source } = given({ format: "turbo" });
  const one = tab("one");
  const subscription = one.subscribe("conversation:1");
  await settle();
  open(source());

  source().fail(0);
  open(source(), "e-4-0"); // ids without data have moved it
  tab("two").subscribe("conversation:1", "e-4-0");
  await settle();

  assert.equal(subscription.cursor, "e-4-0");
  assert.match(source().url, /last_event_id=e-4-0/);
});

test("but not when what lies between was lost", async () => {
  const { tab, settle, source } = given();
  const subscription = tab("one").subscribe("conversation:1");
  await settle();

  open(source(), "e-4-0", { resumed: false });
  assert.equal(subscription.cursor, "e-1-0");
  source().hear("stream.reset", { reason: "history_lost" }, "e-4-0");
  assert.equal(subscription.cursor, "e-4-0");
});

// ---- refusals

test("one refused stream does not take the others down", async () => {
  const ask = async (stream) => ({ status: stream.includes("conversation:2") ? 404 : 200 });
  const { tab, settle, asked, source } = given({ ask });
  const [one, two] = [tab("one"), tab("two")];
  one.subscribe("conversation:1");
  two.subscribe("conversation:2");
  await settle();
  source().fail(2);
  await settle();

  assert.deepEqual(asked, ["conversation:1,conversation:2", "conversation:1", "conversation:2"]);
  assert.deepEqual(streamsIn(source()), ["conversation:1"]);
  open(source());
  assert.deepEqual(two.heard.slice(-2), [
    ["Rejected", "conversation:2", { status: 404, reason: "forbidden" }],
    ["Closed", "conversation:2", { status: 404, reason: "forbidden" }],
  ]);
  assert.equal(one.names().at(-1), "Connected");
});

test("a stream that is taken away on the way is found out, too", async () => {
  const ask = async (stream) => ({ status: stream === "conversation:2" ? 404 : 200 });
  const { tab, settle, source } = given({ ask });
  const one = tab("one");
  one.subscribe("conversation:1");
  one.subscribe("conversation:2");
  await settle();
  open(source());
  say(source(), "conversation:1", "e-5-0");

  source().hear("stream.closed", { reason: "forbidden", reconnect: false });
  await settle();

  assert.deepEqual(streamsIn(source()), ["conversation:1"]);
  assert.equal(cursorIn(source()), "e-5-0");
  assert.ok(one.heard.some(([name, stream]) => name === "Rejected" && stream === "conversation:2"));
  assert.ok(!one.heard.some(([name, stream]) => name === "Rejected" && stream === "conversation:1"));
});

test("when nothing is refused by itself it is tried again, later and later", async () => {
  const ask = async (stream) => ({ status: stream.includes(",") ? 404 : 200 });
  const { tab, settle, timers, sources, source } = given({ ask });
  const one = tab("one");
  one.subscribe("conversation:1");
  one.subscribe("conversation:2");
  await settle();
  for (const wait of [750, 1_500, 3_000]) {
    const before = sources.length;
    source().fail(2);
    await answered();
    timers.pass(wait - 1);
    assert.equal(sources.length, before);
    timers.pass(1);
    assert.equal(sources.length, before + 1);
  }
  assert.ok(!one.names().includes("Rejected"));
});

for (const [how, refuse] of [
  ["an answer of 401", (source) => source.fail(2)],
  ["stream.closed", (source) => source.hear("stream.closed", { reason: "signed_out", reconnect: false })],
]) {
  test(`signed out by ${how}: every tab is told, and nobody asks again`, async () => {
    const { tab, settle, timers, sources, source } = given({ ask: async () => ({ status: 401 }) });
    const [one, two] = [tab("one"), tab("two")];
    one.subscribe("conversation:1");
    two.subscribe("conversation:2");
    await settle();

    refuse(source());
    await settle();
    timers.pass(600_000);

    assert.equal(sources.length, 1);
    for (const { heard } of [one, two]) {
      assert.deepEqual(heard.slice(-2).map(([name, , { status }]) => [name, status]), [["Rejected", 401], ["Closed", 401]]);
    }
  });
}

// ---- at random

test("whatever opens, closes and breaks: every tab hears exactly what follows its page", async () => {
  for (let seed = 1; seed <= 200; seed++) await atRandom(random(seed), seed);
});

/** The log of a server, tabs on it, and things that happen. */
async function atRandom(next, seed) {
  const { tab, lead, settle, source } = given();
  const log = [];
  const tabs = [];
  const at = { source: null, position: 0 };
  const pick = (list) => list[Math.floor(next() * list.length)];
  const serve = (most = Infinity) => {
    const present = source();
    if (present === undefined || present.wasClosed) return;
    if (present !== at.source) {
      Object.assign(at, { source: present, position: Number(cursorIn(present).split("-")[1]) });
      open(present);
    }
    for (; at.position < log.length && most > 0 && !present.wasClosed; at.position++, most--) {
      if (streamsIn(present).includes(log[at.position])) say(present, log[at.position], `e-${at.position + 1}-0`, at.position + 1);
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
    () => source()?.hear("stream.closed", { reconnect: true, retry_after: 0 }),
    settle,
    settle,
  ];
  for (let step = 0; step < 60; step++) await pick(happen)();
  for (let quiet = 0; quiet < 5; quiet++) {
    await settle();
    serve();
  }
  for (const { heard, from, streams } of tabs.filter(({ isOpen }) => isOpen)) {
    const expected = log.flatMap((stream, i) => (i >= from && streams.includes(stream) ? [i + 1] : []));
    assert.deepEqual(contents({ heard }), expected, `seed ${seed}`);
  }
}

/** Numbers in [0, 1) that are the same for the same seed (Park and Miller's generator). */
function random(seed) {
  let state = seed * 7919;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}
