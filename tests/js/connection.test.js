import assert from "node:assert/strict";
import test from "node:test";

import { Backoff } from "../../static/js/connector/backoff.js";
import { Connection, HEARTBEAT } from "../../static/js/connector/connection.js";
import { probe, streamUrl } from "../../static/js/connector/request.js";
import { FakeEventSource, FakeTimers, faked, settled, cursorIn } from "./fakes.js";

const DEAD = 2.5 * HEARTBEAT;

function setUp(options = {}) {
  const received = [];
  const timers = new FakeTimers();
  const address = { streams: ["account:1", "conversation:3"], format: "turbo", cursor: "e-1-0" };
  const connection = new Connection({ ...address, ...faked(timers), ...options }, (message) => received.push(message));
  const delivered = () => received.filter(({ type, reason }) => type !== "wait" || reason);
  const types = () => delivered().map(({ type }) => type).filter((type, i, all) => type !== "wait" || all[i - 1] !== "wait");
  return { connection, timers, delivered, types, sources: FakeEventSource.instances, last: () => FakeEventSource.instances.at(-1) };
}

// ---- the address

test("the address names every stream, the format and the cursor", () => {
  const url = new URL(streamUrl({ streams: ["account:1", "conversation:3"], format: "turbo", cursor: "e-1-0" }), "http://x");

  assert.equal(url.pathname, "/streams");
  assert.deepEqual(url.searchParams.getAll("stream"), ["account:1", "conversation:3"]);
  assert.equal(url.searchParams.get("format"), "turbo");
  assert.equal(url.searchParams.get("last_event_id"), "e-1-0");
});

test("the address names the user if there is one", () => {
  assert.match(streamUrl({ streams: ["account:1"], user: 7 }), /[?&]user=7(&|$)/);
  assert.doesNotMatch(streamUrl({ streams: ["account:1"] }), /user/);
});

test("without a cursor the address has no last_event_id", () => {
  assert.doesNotMatch(streamUrl({ streams: ["account:1"] }), /last_event_id/);
});

// ---- the cursor

for (const name of ["stream.open", "stream.ping", "stream.reset", "message"]) {
  test(`the cursor of a ${name} is in the address of the next connection`, () => {
    const { connection, timers, sources, last } = setUp();
    assert.equal(cursorIn(last()), "e-1-0");

    last().emit(name, {}, "e-2-0");
    timers.pass(DEAD);

    assert.equal(sources.length, 2);
    assert.equal(cursorIn(last()), "e-2-0");
    assert.equal(connection.cursor, "e-2-0");
  });
}

test("an event without an id is delivered with an empty id, though lastEventId has the previous one", () => {
  const { delivered, last } = setUp();
  last().emit("stream.open", {}, "e-2-0");
  last().emit("typing", {}, "e-2-0");
  last().emit("message.created", {}, "e-3-0");
  last().emit("message", {}, "e-3-0");

  assert.deepEqual(delivered().filter(({ type }) => type === "event").map(({ id }) => id), ["", "e-3-0", ""]);
});

test("an event without an id does not change the cursor", () => {
  const { connection, last } = setUp();

  last().emit("stream.ping", { lag: 0 }, "");

  assert.equal(connection.cursor, "e-1-0");
});

test("events of a released source are ignored", () => {
  const { connection, timers, sources, types } = setUp();
  timers.pass(DEAD);
  assert.equal(sources.length, 2);

  sources[0].emit("message", "late", "e-0-9");

  assert.equal(connection.cursor, "e-1-0");
  assert.ok(!types().includes("event"));
});

// ---- messages

test("an unnamed event is delivered as `message` with its data and id", () => {
  const { delivered, last } = setUp();

  last().emit("message", "<turbo-stream></turbo-stream>", "e-2-0");

  assert.deepEqual(delivered(), [{ type: "event", name: "message", data: "<turbo-stream></turbo-stream>", id: "e-2-0" }]);
});

test("a named event is delivered with its name", () => {
  const { delivered, last } = setUp({ format: "json" });

  last().emit("typing", '{"event":"typing"}');

  assert.deepEqual(delivered(), [{ type: "event", name: "typing", data: '{"event":"typing"}', id: "" }]);
});

test("stream.open, stream.ping and stream.reset are delivered with their fields", () => {
  const { delivered, last } = setUp();

  last().emit("stream.open", { resumed: true, heartbeat: 15 }, "e-1-0");
  last().emit("stream.ping", { lag: 4 });
  last().emit("stream.reset", { reason: "history_lost" }, "e-9-0");

  assert.deepEqual(delivered(), [
    { type: "open", from: "e-1-0", resumed: true, id: "e-1-0", delayed: false },
    { type: "ping", lag: 4, id: "" },
    { type: "reset", reason: "history_lost", id: "e-9-0" },
  ]);
});

test("`from` of an open is the requested cursor", () => {
  const { delivered, last } = setUp();

  last().emit("stream.open", { resumed: false }, "e-7-0"); // a reset follows

  assert.equal(delivered()[0].from, "e-1-0");
});

test("`from` of an open without a requested cursor is the server's", () => {
  const { delivered, last } = setUp({ cursor: "" });

  last().emit("stream.open", { resumed: false }, "e-7-0");

  assert.equal(delivered()[0].from, "e-7-0");
});

test("a control event that is not JSON is delivered with defaults", () => {
  const { delivered, last } = setUp();

  last().emit("stream.ping", "{");

  assert.deepEqual(delivered(), [{ type: "ping", lag: 0, id: "" }]);
});

// ---- the watchdog

test("silence for two and a half heartbeats rebuilds the connection", () => {
  const { timers, sources, types } = setUp();
  sources[0].emit("stream.open", { heartbeat: 15 });

  timers.pass(DEAD);

  assert.ok(sources[0].isClosed);
  assert.deepEqual(types(), ["open", "wait"]);
  assert.equal(sources.length, 2);
});

test("any event in time keeps the connection", () => {
  const { timers, sources, types } = setUp();
  sources[0].emit("stream.open", { heartbeat: 15 });

  for (let beats = 0; beats < 10; beats++) {
    timers.pass(DEAD - 1);
    sources[0].emit("stream.ping", { lag: 0 });
  }

  assert.equal(sources.length, 1);
  assert.ok(!types().includes("wait"));
});

test("the server's heartbeat sets the watchdog", () => {
  const { timers, sources } = setUp();
  sources[0].emit("stream.open", { heartbeat: 4 });

  timers.pass(9_999);
  assert.ok(!sources[0].isClosed);
  timers.pass(1);
  assert.ok(sources[0].isClosed);
});

for (const heartbeat of [0, -1, "soon", null, undefined]) {
  test(`a heartbeat of ${heartbeat} is ignored`, () => {
    const { timers, sources } = setUp();
    sources[0].emit("stream.open", { heartbeat });

    timers.pass(DEAD - 1);
    assert.ok(!sources[0].isClosed);
    timers.pass(1);
    assert.ok(sources[0].isClosed);
  });
}

test("a connection that never opens is rebuilt", () => {
  const { timers, sources } = setUp();

  timers.pass(DEAD);

  assert.equal(sources.length, 2);
});

// ---- errors

test("a source that was open for ten seconds is kept: the browser reconnects it", () => {
  const { sources, types, timers } = setUp();
  sources[0].emit("stream.open", { heartbeat: 15 });
  timers.pass(10_000);

  sources[0].fail(0);
  timers.pass(5_000);
  sources[0].emit("stream.open", { heartbeat: 15 });

  assert.equal(sources.length, 1);
  assert.ok(!sources[0].isClosed);
  assert.deepEqual(types(), ["open", "wait", "open"]);
});

test("a source whose reconnection by the browser fails is replaced after the back-off", () => {
  const { sources, timers } = setUp();
  sources[0].emit("stream.open", { heartbeat: 15 });
  timers.pass(10_000);

  sources[0].fail(0);
  sources[0].fail(0);
  assert.ok(sources[0].isClosed, "or the browser would come back too early");
  assert.equal(sources.length, 1);
  timers.pass(750);

  assert.equal(sources.length, 2);
});

test("a source that was open for less than ten seconds is closed, and replaced after the back-off from the last cursor", () => {
  const { sources, timers, last, types } = setUp();
  sources[0].emit("stream.open", { heartbeat: 15 });
  sources[0].emit("message", "x", "e-5-0");
  timers.pass(9_999);

  sources[0].fail(0);
  assert.ok(sources[0].isClosed, "or the browser would come back too early");
  timers.pass(749);
  assert.equal(sources.length, 1);
  timers.pass(1);

  assert.equal(sources.length, 2);
  assert.equal(cursorIn(last()), "e-5-0");
  assert.deepEqual(types(), ["open", "event", "wait"]);
});

test("a closed source is replaced after the back-off, from the last cursor", async () => {
  const { sources, timers, last, types } = setUp();
  sources[0].emit("message", "x", "e-5-0");

  sources[0].fail(2);
  await settled();
  assert.equal(sources.length, 1, "not before the back-off");
  timers.pass(1_000);

  assert.equal(sources.length, 2);
  assert.equal(cursorIn(last()), "e-5-0");
  assert.deepEqual(types(), ["event", "wait"]);
});

for (const [status, reason] of [[401, "signed_out"], [403, "forbidden"], [404, "forbidden"], [400, "rejected"]]) {
  test(`a refusal with ${status} ends the connection with reason ${reason}`, async () => {
    const { sources, timers, delivered } = setUp({ probe: async () => ({ status }) });

    sources[0].fail(2);
    await settled();
    timers.pass(600_000);

    assert.equal(sources.length, 1);
    assert.deepEqual(delivered().at(-1), { type: "closed", reason, status });
  });
}

for (const status of [0, 200, 408, 429, 500, 502, 503]) {
  test(`an answer of ${status} does not end the connection`, async () => {
    const { sources, timers, types } = setUp({ probe: async () => ({ status }) });

    sources[0].fail(2);
    await settled();
    timers.pass(1_000);

    assert.equal(sources.length, 2);
    assert.ok(!types().includes("closed"));
  });
}

test("the connection waits for Retry-After", async () => {
  const { sources, timers } = setUp({ probe: async () => ({ status: 429, retryAfter: 20_000 }) });

  sources[0].fail(2);
  await settled();
  timers.pass(19_999);
  assert.equal(sources.length, 1);
  timers.pass(1);
  assert.equal(sources.length, 2);
});

test("an answer after close() is ignored", async () => {
  const { connection, sources, timers, types } = setUp({ probe: async () => ({ status: 401 }) });

  sources[0].fail(2);
  connection.close();
  await settled();
  timers.pass(600_000);

  assert.equal(sources.length, 1);
  assert.ok(!types().includes("closed"));
});

// ---- stream.closed

test("stream.closed with reconnect: false ends the connection with its reason", () => {
  const { sources, timers, delivered } = setUp();

  sources[0].emit("stream.closed", { reason: "forbidden", reconnect: false, retry_after: 0 });
  timers.pass(600_000);

  assert.ok(sources[0].isClosed);
  assert.equal(sources.length, 1);
  assert.deepEqual(delivered(), [{ type: "closed", reason: "forbidden" }]);
});

test("stream.closed with reconnect: true reopens after retry_after, from the cursor", () => {
  const { sources, timers, types, last } = setUp();
  sources[0].emit("message", "x", "e-7-0");

  sources[0].emit("stream.closed", { reason: "shutdown", reconnect: true, retry_after: 3_000 });
  assert.ok(sources[0].isClosed, "or the browser would come back too early");
  timers.pass(2_999);
  assert.equal(sources.length, 1);
  timers.pass(1);

  assert.equal(sources.length, 2);
  assert.equal(cursorIn(last()), "e-7-0");
  assert.deepEqual(types(), ["event", "wait"]);
});

test("stream.closed without a valid retry_after reopens after the back-off", () => {
  const { sources, timers } = setUp();

  sources[0].emit("stream.closed", "not JSON");
  assert.equal(sources.length, 1);
  timers.pass(1_000);

  assert.equal(sources.length, 2);
});

// ---- close and retry

test("close() ends the connection and delivers nothing", () => {
  const { connection, sources, timers, delivered } = setUp();

  connection.close();
  sources[0].emit("message", "x", "e-9-0");
  connection.retry();
  timers.pass(600_000);

  assert.equal(sources.length, 1);
  assert.deepEqual(delivered(), []);
});

test("retry() ends the delay", () => {
  const { connection, sources } = setUp();
  sources[0].emit("stream.closed", { reason: "shutdown", reconnect: true, retry_after: 60_000 });

  connection.retry();

  assert.equal(sources.length, 2);
});

test("retry() does nothing without a delay", () => {
  const { connection, sources } = setUp();

  connection.retry();

  assert.equal(sources.length, 1);
});

// ---- the back-off

test("the back-off doubles up to thirty seconds", () => {
  const backoff = new Backoff({ random: () => 1 });
  assert.deepEqual(Array.from({ length: 8 }, () => backoff.next()), [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
});

test("the back-off's jitter stays within the upper half", () => {
  const [lowest, any, highest] = [() => 0, Math.random, () => 1].map((random) => new Backoff({ random }));
  for (let attempt = 0; attempt < 1_100; attempt++) {
    const ceiling = highest.next();
    assert.equal(lowest.next(), ceiling / 2);
    const delay = any.next();
    assert.ok(delay >= ceiling / 2 && delay < ceiling);
  }
});

test("each failure doubles the delay, and only a stream that was open for ten seconds resets it", () => {
  const { sources, timers, last } = setUp({ random: () => 0 });
  const waits = (life) => {
    last().emit("stream.open", { heartbeat: 15 });
    timers.pass(life);
    last().emit("stream.closed", "no delay given");
    const [before, start] = [sources.length, timers.now];
    while (sources.length === before) timers.pass(50);
    return timers.now - start;
  };

  assert.deepEqual([waits(0), waits(9_999), waits(0)], [500, 1_000, 2_000]);
  assert.equal(waits(10_000), 500);
});

test("a connection that is closed after ten seconds resets the back-off of the next one", () => {
  const timers = new FakeTimers();
  const backoff = new Backoff({ now: timers.wallClock, random: () => 1 });
  const { connection, last } = setUp({ timers, backoff });
  backoff.next();
  backoff.next();
  last().emit("stream.open", { heartbeat: 15 });
  timers.pass(10_000);

  connection.close();

  assert.equal(backoff.next(), 1_000);
});

// ---- sleep

test("wake() after a sleep reconnects", () => {
  const { connection, sources, timers, types } = setUp();
  sources[0].emit("stream.open", { heartbeat: 15 });

  timers.sleep(3_600_000);
  assert.equal(sources.length, 1, "timers have stood still");
  connection.wake();

  assert.equal(sources.length, 2);
  assert.deepEqual(types(), ["open", "wait"]);
});

test("wake() before the deadline changes nothing", () => {
  const { connection, sources, timers } = setUp();
  sources[0].emit("stream.open", { heartbeat: 15 });

  timers.pass(DEAD - 1);
  connection.wake();

  assert.equal(sources.length, 1);
});

test("wake() ends an overdue back-off, and no other", () => {
  const { connection, sources, timers } = setUp();
  sources[0].emit("stream.closed", { reconnect: true, retry_after: 10_000 });

  connection.wake();
  assert.equal(sources.length, 1);
  timers.sleep(10_000);
  connection.wake();
  assert.equal(sources.length, 2);
});

test("`due` is the time until the next message at the latest", () => {
  const { connection, sources, timers } = setUp();
  sources[0].emit("stream.open", { heartbeat: 4 });
  assert.equal(connection.due, 10_000);

  timers.pass(3_000);
  assert.equal(connection.due, 7_000);
  sources[0].emit("stream.closed", { reconnect: true, retry_after: 2_000 });
  assert.equal(connection.due, 2_000);
});

// ---- the probe

test("probe returns status and Retry-After, and aborts the body", async () => {
  let signal;
  const fetch = async (url, options) => {
    signal = options.signal;
    return new Response("", { status: 429, headers: { "Retry-After": "7" } });
  };

  assert.deepEqual(await probe("/streams", fetch), { status: 429, retryAfter: 7_000 });
  assert.ok(signal.aborted);
});

test("probe ignores a Retry-After that is not in seconds", async () => {
  for (const headers of [{}, { "Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT" }]) {
    const answer = await probe("/streams", async () => new Response("", { status: 503, headers }));
    assert.deepEqual(answer, { status: 503, retryAfter: undefined });
  }
});

test("probe returns status 0 without an answer", async () => {
  const fetch = async () => {
    throw new TypeError("network");
  };
  assert.deepEqual(await probe("/streams", fetch), { status: 0 });
});
