import assert from "node:assert/strict";
import test from "node:test";

import { Connection, HEARTBEAT } from "../../static/js/connector/connection.js";
import { Delivery } from "../../static/js/connector/delivery.js";
import { reach } from "../../static/js/connector/request.js";
import { FakeEventSource, FakeTimers, faked, settled } from "./fakes.js";

const OPENING = 5_000;
const MINUTE = 60_000;
const WAITED = { reason: "waited", reconnect: true, retry_after: 10 };

class Memory extends Map {
  getItem = (key) => this.get(key) ?? null;
  setItem = (key, value) => this.set(key, value);
  removeItem = (key) => this.delete(key);
}

function setUp({ storage = new Memory(), isReachable = true, timers = new FakeTimers(), ...options } = {}) {
  const received = [];
  const own = { streams: ["account:1"], cursor: "e-1-0", reach: async () => isReachable, storage };
  const connection = new Connection({ ...own, ...faked(timers), ...options }, (message) => received.push(message));
  const sources = FakeEventSource.instances;
  const last = () => sources.at(-1);
  const opens = () => received.filter(({ type }) => type === "open");
  const reasons = () => received.filter(({ type, reason }) => type === "wait" && reason).map(({ reason }) => reason);
  return { connection, timers, storage, sources, last, opens, reasons, received };
}

/** Seconds of long polling that a request asks for. */
function waitOf({ url }) {
  return Number(new URL(url, "http://x").searchParams.get("wait") ?? 0);
}

/** A connection that has found out that responses are held back. */
async function polling(options) {
  const it = setUp(options);
  it.timers.pass(OPENING);
  await settled();
  it.last().emit("stream.open", { resumed: true }, "e-1-0");
  it.last().emit("stream.closed", WAITED);
  return it;
}

test("a connection streams, as long as stream.open comes in time", async () => {
  const { timers, sources, last, opens } = setUp();
  timers.pass(OPENING - 1);
  last().emit("stream.open", { resumed: true }, "e-1-0");
  timers.pass(OPENING);
  await settled();

  assert.equal(sources.length, 1);
  assert.equal(waitOf(last()), 0);
  assert.equal(opens()[0].delayed, false);
});

test("without stream.open, though the server answers, the connection goes on by long polling, and says that it is delayed", async () => {
  const { timers, sources, last, opens, reasons } = setUp();
  timers.pass(OPENING);
  await settled();
  assert.equal(sources.length, 2);
  assert.equal(sources[0].isClosed, true);
  assert.equal(waitOf(last()), 1);

  last().emit("stream.open", { resumed: true }, "e-1-0");
  assert.equal(opens()[0].delayed, true);
  assert.deepEqual(reasons(), []);
});

test("without stream.open, and without another answer of the server, the connection goes on streaming", async () => {
  const { timers, sources, last } = setUp({ isReachable: false });
  timers.pass(OPENING);
  await settled();
  assert.equal(sources.length, 1);

  timers.pass(2.5 * HEARTBEAT - OPENING); // the link is dead
  assert.equal(sources.length, 2);
  assert.equal(waitOf(last()), 0);
});

test("a ping before stream.open shows that the stream comes through: the server is not up to date", async () => {
  const { timers, sources, last } = setUp();
  last().emit("stream.ping", { lag: 4 });
  timers.pass(OPENING);
  await settled();
  assert.equal(sources.length, 1);
});

test("a complete answer without stream.open is the server's silence: the connection streams again, with more patience", async () => {
  const { timers, sources, last } = setUp();
  timers.pass(OPENING);
  await settled();
  last().emit("stream.closed", WAITED);
  assert.equal(waitOf(last()), 0);

  timers.pass(2 * OPENING - 1);
  await settled();
  assert.equal(sources.length, 3);
  timers.pass(1);
  await settled();
  assert.equal(sources.length, 4);
});

test("a request of long polling follows the other at once, from the cursor, without an interruption", async () => {
  const { sources, last, reasons, connection } = await polling();
  last().emit("stream.open", { resumed: true }, "e-1-0");
  last().emit("message.created", { id: 1 }, "e-2-0");
  const before = sources.length;
  last().emit("stream.closed", WAITED);

  assert.equal(sources.length, before + 1);
  assert.match(last().url, /last_event_id=e-2-0/);
  assert.equal(waitOf(last()), 10);
  assert.equal(connection.isOpen, true);
  assert.deepEqual(reasons(), []);
});

test("an answer of long polling that does not come is an interruption", async () => {
  const { timers, sources, reasons } = await polling();
  const before = sources.length;
  timers.pass(24_999);
  assert.equal(sources.length, before);
  timers.pass(1);
  assert.equal(sources.length, before + 1);
  assert.deepEqual(new Set(reasons()), new Set(["silence"]));
});

/** Lets requests of long polling pass for a time; returns whether streaming was tried. */
async function poll({ timers, last }, duration) {
  for (let passed = 0; passed < duration; passed += 10_000) {
    if (waitOf(last()) === 0) return true;
    last().emit("stream.open", { resumed: true }, "e-1-0");
    timers.pass(10_000);
    last().emit("stream.closed", WAITED);
  }
  return waitOf(last()) === 0;
}

test("streaming is tried again after a minute, then after two, and so on, without an interruption", async () => {
  const it = await polling();
  for (const minutes of [1, 2, 4]) {
    assert.equal(await poll(it, (minutes - 0.5) * MINUTE), false);
    assert.equal(await poll(it, MINUTE), true);
    it.timers.pass(OPENING);
    await settled();
    assert.equal(waitOf(it.last()), 10);
  }
  assert.deepEqual(it.reasons(), []);
  assert.equal(it.connection.isOpen, true);
});

test("streaming that comes through again is kept, and no longer delayed", async () => {
  const it = await polling();
  assert.equal(await poll(it, 2 * MINUTE), true);
  it.last().emit("stream.open", { resumed: true }, "e-1-0");

  assert.equal(it.opens().at(-1).delayed, false);
  const before = it.sources.length;
  it.timers.pass(OPENING);
  await settled();
  assert.equal(it.sources.length, before);
  assert.equal(it.storage.size, 0);
});

test("after an interruption, streaming is tried at once: the way may be another one", async () => {
  const { last, timers } = await polling();
  assert.equal(waitOf(last()), 10);
  last().fail(2);
  await settled();
  timers.pass(2_000);
  assert.equal(waitOf(last()), 0);
});

test("the next page of the origin begins by long polling, and a page of another origin does not", async () => {
  const { storage } = await polling({ url: "https://a.example/streams" });
  assert.equal(waitOf(setUp({ storage, url: "https://a.example/streams" }).last()), 10);
  assert.equal(waitOf(setUp({ storage, url: "https://b.example/streams" }).last()), 0);
});

for (const text of ["", "{", "null", "7", '{"delay":"x"}', '{"delay":-1}', '{"age":1e9}', '{"delay":1e12}']) {
  test(`a memory of ${text || "nothing"} is ignored`, () => {
    const storage = { getItem: () => text, setItem: () => {}, removeItem: () => {} };
    const delivery = new Delivery({ storage });
    assert.equal(delivery.begin(), 0);
    assert.equal(delivery.renewal, undefined);
  });
}

test("a storage that is forbidden or full changes nothing", async () => {
  const refuse = () => {
    throw new Error("refused");
  };
  const { opens, last } = await polling({ storage: { getItem: () => null, setItem: refuse, removeItem: refuse } });
  last().emit("stream.open", { resumed: true }, "e-1-0");
  assert.equal(opens().at(-1).delayed, true);
});

// ---- streams that a proxy cuts by their age

/** Opens a stream, which is cut at an age; the browser connects again. */
function cutAt(it, age) {
  it.last().emit("stream.open", { resumed: true }, "e-1-0");
  it.timers.pass(age);
  it.last().fail(2);
}

async function cutTwice(it, first, second) {
  for (const age of [first, second]) {
    cutAt(it, age);
    await settled();
    it.timers.pass(2_000);
  }
  it.last().emit("stream.open", { resumed: true }, "e-1-0");
  it.received.length = 0;
}

test("after two cuts at the same age, the connection opens anew before that age, without an interruption", async () => {
  const it = setUp();
  await cutTwice(it, 30_000, 30_400);
  const before = it.sources.length;
  it.timers.pass(24_000);
  assert.equal(it.sources.length, before);
  it.timers.pass(3_000); // 0.9 of the age
  assert.equal(it.sources.length, before + 1);
  assert.equal(it.connection.isOpen, true);
  assert.deepEqual(it.reasons(), []);
});

test("the age of a stream that the browser has opened again is counted from then on", async () => {
  const it = setUp({ patience: 100 });
  for (let cut = 0; cut < 2; cut++) {
    it.last().emit("open");
    it.last().emit("stream.open", { resumed: true }, "e-1-0");
    it.timers.pass(30_000);
    it.last().fail(0);
    it.timers.pass(2_000);
  }
  it.last().emit("open");
  it.last().emit("stream.open", { resumed: true }, "e-1-0");
  assert.equal(it.sources.length, 1);
  it.timers.pass(26_999);
  assert.equal(it.sources.length, 1);
  it.timers.pass(1);
  assert.equal(it.sources.length, 2);
});

for (const [first, second] of [[20_000, 30_000], [5_000, 5_000], [700_000, 700_000]]) {
  test(`cuts after ${first / 1000} s and ${second / 1000} s show no limit of age`, async () => {
    const it = setUp({ patience: 100 });
    await cutTwice(it, first, second);
    const before = it.sources.length;
    it.timers.pass(Math.min(first, 100_000));
    assert.equal(it.sources.length, before);
  });
}

test("the next page knows the age", async () => {
  const it = setUp({ url: "https://a.example/streams" });
  await cutTwice(it, 30_000, 30_000);
  const next = setUp({ storage: it.storage, url: "https://a.example/streams" });
  next.last().emit("stream.open", { resumed: true }, "e-1-0");
  next.timers.pass(27_000);
  assert.equal(next.sources.length, 2);
});

test("now and then a stream is left open, and a limit that is gone is forgotten", async () => {
  const it = setUp({ patience: 100 });
  await cutTwice(it, 30_000, 30_000);
  for (let n = 0; n < 20; n++) {
    it.timers.pass(27_000);
    it.last().emit("stream.open", { resumed: true }, "e-1-0");
  }
  const before = it.sources.length;
  it.timers.pass(200_000);
  assert.equal(it.sources.length, before);
  it.connection.close();
  assert.equal(it.storage.size, 0);
});

// ---- whether the server answers

test("the server is asked at /healthz, beside the streams", async () => {
  const asked = [];
  const fetch = async (url) => (asked.push(url), { ok: true });
  assert.equal(await reach("/streams?stream=account:1&x=a/b", fetch), true);
  assert.equal(await reach("https://x.org/inbox/streams?stream=account:1", fetch), true);
  assert.deepEqual(asked, ["/healthz", "https://x.org/inbox/healthz"]);
});

test("an error, and an answer other than 200, are no answer", async () => {
  assert.equal(await reach("/streams", async () => ({ ok: false })), false);
  assert.equal(await reach("/streams", async () => { throw new TypeError("network"); }), false);
});
