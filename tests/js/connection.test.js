import assert from "node:assert/strict";
import test from "node:test";

import { Connection, HEARTBEAT } from "../../static/js/connector/connection.js";
import { askWhy, backoff, streamUrl } from "../../static/js/connector/request.js";
import { FakeEventSource, FakeTimers, answered, cursorIn } from "./fakes.js";

const DEAD = 2.5 * HEARTBEAT;

function given(options = {}) {
  const heard = [];
  const timers = new FakeTimers();
  FakeEventSource.made = [];
  const connection = new Connection(
    {
      streams: ["account:1", "conversation:3"],
      format: "turbo",
      cursor: "e-1-0",
      EventSource: FakeEventSource,
      timers,
      now: timers.wallClock,
      random: () => 0.5,
      ask: async () => ({ status: 503 }),
      ...options,
    },
    (message) => heard.push(message),
  );
  const told = () => heard.filter(({ type, reason }) => type !== "wait" || reason);
  const types = () => told().map(({ type }) => type).filter((type, i, all) => type !== "wait" || all[i - 1] !== "wait");
  return { connection, timers, told, types, sources: FakeEventSource.made, last: () => FakeEventSource.made.at(-1) };
}

// ---- the address

test("the address names every stream, the format and the cursor", () => {
  const url = new URL(streamUrl({ streams: ["account:1", "conversation:3"], format: "turbo", cursor: "e-1-0" }), "http://x");

  assert.equal(url.pathname, "/streams");
  assert.deepEqual(url.searchParams.getAll("stream"), ["account:1", "conversation:3"]);
  assert.equal(url.searchParams.get("format"), "turbo");
  assert.equal(url.searchParams.get("last_event_id"), "e-1-0");
});

test("the address says for whom, where that is known", () => {
  assert.match(streamUrl({ streams: ["account:1"], user: 7 }), /[?&]user=7(&|$)/);
  assert.doesNotMatch(streamUrl({ streams: ["account:1"] }), /user/);
});

test("without a cursor the address has no last_event_id", () => {
  assert.doesNotMatch(streamUrl({ streams: ["account:1"] }), /last_event_id/);
});

// ---- the cursor

for (const name of ["stream.open", "stream.ping", "stream.reset", "message"]) {
  test(`the cursor of a ${name} is carried into the rebuilt address`, () => {
    const { connection, timers, sources, last } = given();
    assert.equal(cursorIn(last()), "e-1-0");

    last().hear(name, {}, "e-2-0");
    timers.pass(DEAD);

    assert.equal(sources.length, 2);
    assert.equal(cursorIn(last()), "e-2-0");
    assert.equal(connection.cursor, "e-2-0");
  });
}

test("an event without an id has none, though a browser shows the last there was", () => {
  const { told, last } = given();
  last().hear("stream.open", {}, "e-2-0");
  last().hear("typing", {}, "e-2-0");
  last().hear("message.created", {}, "e-3-0");
  last().hear("message", {}, "e-3-0");

  assert.deepEqual(told().filter(({ type }) => type === "event").map(({ id }) => id), ["", "e-3-0", ""]);
});

test("an event without an id leaves the cursor where it was", () => {
  const { connection, last } = given();

  last().hear("stream.ping", { lag: 0 }, "");

  assert.equal(connection.cursor, "e-1-0");
});

test("what a source that was given up still has to say is not heard", () => {
  const { connection, timers, sources, types } = given();
  timers.pass(DEAD);
  assert.equal(sources.length, 2);

  sources[0].hear("message", "late", "e-0-9");

  assert.equal(connection.cursor, "e-1-0");
  assert.ok(!types().includes("event"));
});

// ---- what is told

test("an unnamed event goes to onMessage with its data and id", () => {
  const { told, last } = given();

  last().hear("message", "<turbo-stream></turbo-stream>", "e-2-0");

  assert.deepEqual(told(), [{ type: "event", name: "message", data: "<turbo-stream></turbo-stream>", id: "e-2-0" }]);
});

test("a named event goes to onEvent with its name", () => {
  const { told, last } = given({ format: "json" });

  last().hear("typing", '{"event":"typing"}');

  assert.deepEqual(told(), [{ type: "event", name: "typing", data: '{"event":"typing"}', id: "" }]);
});

test("open, ping and reset tell what they say", () => {
  const { told, last } = given();

  last().hear("stream.open", { resumed: true, heartbeat: 15 }, "e-1-0");
  last().hear("stream.ping", { lag: 4 });
  last().hear("stream.reset", { reason: "history_lost" }, "e-9-0");

  assert.deepEqual(told(), [
    { type: "open", from: "e-1-0", resumed: true, id: "e-1-0" },
    { type: "ping", lag: 4, id: "" },
    { type: "reset", reason: "history_lost", id: "e-9-0" },
  ]);
});

test("an open says from where on everything follows: the cursor that was asked for", () => {
  const { told, last } = given();

  last().hear("stream.open", { resumed: false }, "e-7-0"); // a reset follows

  assert.equal(told()[0].from, "e-1-0");
});

test("without a cursor it follows from where the server begins", () => {
  const { told, last } = given({ cursor: "" });

  last().hear("stream.open", { resumed: false }, "e-7-0");

  assert.equal(told()[0].from, "e-7-0");
});

test("a control event that is not JSON does no harm", () => {
  const { told, last } = given();

  last().hear("stream.ping", "{");

  assert.deepEqual(told(), [{ type: "ping", lag: 0, id: "" }]);
});

// ---- the watchdog

test("silence for two and a half heartbeats rebuilds the connection", () => {
  const { timers, sources, types } = given();
  sources[0].hear("stream.open", { heartbeat: 15 });

  timers.pass(DEAD);

  assert.ok(sources[0].wasClosed);
  assert.deepEqual(types(), ["open", "wait"]);
  assert.equal(sources.length, 2);
});

test("anything heard in time keeps the connection", () => {
  const { timers, sources, types } = given();
  sources[0].hear("stream.open", { heartbeat: 15 });

  for (let beats = 0; beats < 10; beats++) {
    timers.pass(DEAD - 1);
    sources[0].hear("stream.ping", { lag: 0 });
  }

  assert.equal(sources.length, 1);
  assert.ok(!types().includes("wait"));
});

test("the server's heartbeat sets the watchdog", () => {
  const { timers, sources } = given();
  sources[0].hear("stream.open", { heartbeat: 4 });

  timers.pass(9_999);
  assert.ok(!sources[0].wasClosed);
  timers.pass(1);
  assert.ok(sources[0].wasClosed);
});

for (const heartbeat of [0, -1, "soon", null, undefined]) {
  test(`a heartbeat of ${heartbeat} leaves the default`, () => {
    const { timers, sources } = given();
    sources[0].hear("stream.open", { heartbeat });

    timers.pass(DEAD - 1);
    assert.ok(!sources[0].wasClosed);
    timers.pass(1);
    assert.ok(sources[0].wasClosed);
  });
}

test("a connection that never opens is rebuilt too", () => {
  const { timers, sources } = given();

  timers.pass(DEAD);

  assert.equal(sources.length, 2);
});

// ---- errors

test("while the browser reconnects by itself, its source is left alone", () => {
  const { sources, types, timers } = given();
  sources[0].hear("stream.open", { heartbeat: 15 });

  sources[0].fail(0);
  sources[0].fail(0);
  timers.pass(5_000);
  sources[0].hear("stream.open", { heartbeat: 15 });

  assert.equal(sources.length, 1);
  assert.deepEqual(types(), ["open", "wait", "open"]);
});

test("a source that ended for good is rebuilt from the last cursor", async () => {
  const { sources, timers, last, types } = given();
  sources[0].hear("message", "x", "e-5-0");

  sources[0].fail(2);
  await answered();
  assert.equal(sources.length, 1, "not before the back-off");
  timers.pass(1_000);

  assert.equal(sources.length, 2);
  assert.equal(cursorIn(last()), "e-5-0");
  assert.deepEqual(types(), ["event", "wait"]);
});

for (const [status, reason] of [[401, "signed_out"], [403, "forbidden"], [404, "forbidden"], [400, "rejected"]]) {
  test(`a refusal with ${status} ends it: ${reason}`, async () => {
    const { sources, timers, told } = given({ ask: async () => ({ status }) });

    sources[0].fail(2);
    await answered();
    timers.pass(600_000);

    assert.equal(sources.length, 1);
    assert.deepEqual(told().at(-1), { type: "closed", reason, status });
  });
}

for (const status of [0, 200, 408, 429, 500, 502, 503]) {
  test(`an answer of ${status} does not end it`, async () => {
    const { sources, timers, types } = given({ ask: async () => ({ status }) });

    sources[0].fail(2);
    await answered();
    timers.pass(1_000);

    assert.equal(sources.length, 2);
    assert.ok(!types().includes("closed"));
  });
}

test("Retry-After is waited for", async () => {
  const { sources, timers } = given({ ask: async () => ({ status: 429, retryAfter: 20_000 }) });

  sources[0].fail(2);
  await answered();
  timers.pass(19_999);
  assert.equal(sources.length, 1);
  timers.pass(1);
  assert.equal(sources.length, 2);
});

test("an answer that comes after close() changes nothing", async () => {
  const { connection, sources, timers, types } = given({ ask: async () => ({ status: 401 }) });

  sources[0].fail(2);
  connection.close();
  await answered();
  timers.pass(600_000);

  assert.equal(sources.length, 1);
  assert.ok(!types().includes("closed"));
});

// ---- stream.closed

test("closed without return stops for good and says why", () => {
  const { sources, timers, told } = given();

  sources[0].hear("stream.closed", { reason: "forbidden", reconnect: false, retry_after: 0 });
  timers.pass(600_000);

  assert.ok(sources[0].wasClosed);
  assert.equal(sources.length, 1);
  assert.deepEqual(told(), [{ type: "closed", reason: "forbidden" }]);
});

test("closed with return comes back after retry_after, from the cursor", () => {
  const { sources, timers, types, last } = given();
  sources[0].hear("message", "x", "e-7-0");

  sources[0].hear("stream.closed", { reason: "shutdown", reconnect: true, retry_after: 3_000 });
  assert.ok(sources[0].wasClosed, "or the browser would come back too early");
  timers.pass(2_999);
  assert.equal(sources.length, 1);
  timers.pass(1);

  assert.equal(sources.length, 2);
  assert.equal(cursorIn(last()), "e-7-0");
  assert.deepEqual(types(), ["event", "wait"]);
});

test("closed without a usable retry_after falls back to the back-off", () => {
  const { sources, timers } = given();

  sources[0].hear("stream.closed", "not JSON");
  assert.equal(sources.length, 1);
  timers.pass(1_000);

  assert.equal(sources.length, 2);
});

// ---- close and retry

test("close() is final and silent", () => {
  const { connection, sources, timers, told } = given();

  connection.close();
  sources[0].hear("message", "x", "e-9-0");
  connection.retry();
  timers.pass(600_000);

  assert.equal(sources.length, 1);
  assert.deepEqual(told(), []);
});

test("retry() ends the waiting", () => {
  const { connection, sources } = given();
  sources[0].hear("stream.closed", { reason: "shutdown", reconnect: true, retry_after: 60_000 });

  connection.retry();

  assert.equal(sources.length, 2);
});

test("retry() leaves a connection alone that does not wait", () => {
  const { connection, sources } = given();

  connection.retry();

  assert.equal(sources.length, 1);
});

// ---- the back-off

test("the back-off doubles up to thirty seconds", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 6, 50].map((attempt) => backoff(attempt, () => 1)), [
    1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000,
  ]);
});

test("the jitter stays within the upper half", () => {
  for (let attempt = 0; attempt < 12; attempt++) {
    const ceiling = backoff(attempt, () => 1);
    assert.equal(backoff(attempt, () => 0), ceiling / 2);
    for (let i = 0; i < 50; i++) {
      const delay = backoff(attempt);
      assert.ok(delay >= ceiling / 2 && delay < ceiling);
    }
  }
});

test("one failure after the other waits longer, and an open starts again", () => {
  const { sources, timers, last } = given({ random: () => 0 });
  const waits = () => {
    last().hear("stream.closed", "no delay given");
    const [before, start] = [sources.length, timers.now];
    while (sources.length === before) timers.pass(50);
    return timers.now - start;
  };

  assert.deepEqual([waits(), waits(), waits()], [500, 1_000, 2_000]);
  last().hear("stream.open", { heartbeat: 15 });
  assert.equal(waits(), 500);
});

// ---- sleep

test("after a sleep it reconnects as soon as it is woken", () => {
  const { connection, sources, timers, types } = given();
  sources[0].hear("stream.open", { heartbeat: 15 });

  timers.sleep(3_600_000);
  assert.equal(sources.length, 1, "timers have stood still");
  connection.wake();

  assert.equal(sources.length, 2);
  assert.deepEqual(types(), ["open", "wait"]);
});

test("being woken in time changes nothing", () => {
  const { connection, sources, timers } = given();
  sources[0].hear("stream.open", { heartbeat: 15 });

  timers.pass(DEAD - 1);
  connection.wake();

  assert.equal(sources.length, 1);
});

test("being woken ends a back-off that should be over, and no other", () => {
  const { connection, sources, timers } = given();
  sources[0].hear("stream.closed", { reconnect: true, retry_after: 10_000 });

  connection.wake();
  assert.equal(sources.length, 1);
  timers.sleep(10_000);
  connection.wake();
  assert.equal(sources.length, 2);
});

test("due says within which time it will have something to tell", () => {
  const { connection, sources, timers } = given();
  sources[0].hear("stream.open", { heartbeat: 4 });
  assert.equal(connection.due, 10_000);

  timers.pass(3_000);
  assert.equal(connection.due, 7_000);
  sources[0].hear("stream.closed", { reconnect: true, retry_after: 2_000 });
  assert.equal(connection.due, 2_000);
});

// ---- asking why

test("askWhy tells status and Retry-After, and lets go of the body", async () => {
  let signal;
  const fetch = async (url, options) => {
    signal = options.signal;
    return new Response("", { status: 429, headers: { "Retry-After": "7" } });
  };

  assert.deepEqual(await askWhy("/streams", fetch), { status: 429, retryAfter: 7_000 });
  assert.ok(signal.aborted);
});

test("askWhy without a usable Retry-After has none", async () => {
  for (const headers of [{}, { "Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT" }]) {
    const answer = await askWhy("/streams", async () => new Response("", { status: 503, headers }));
    assert.deepEqual(answer, { status: 503, retryAfter: undefined });
  }
});

test("askWhy without an answer tells 0", async () => {
  const fetch = async () => {
    throw new TypeError("network");
  };
  assert.deepEqual(await askWhy("/streams", fetch), { status: 0 });
});
