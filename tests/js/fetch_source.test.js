import assert from "node:assert/strict";
import test from "node:test";

import { FetchSource } from "../../static/js/connector/visitor/fetch_source.js";
import { FakeTimers, settled } from "./fakes.js";

const STREAM = { "Content-Type": "text/event-stream; charset=utf-8" };

/** A server that the test drives: `answers` are responses in order, or Errors; without one, an open stream. */
function setUp({ answers = [], headers, timers = new FakeTimers() } = {}) {
  const requests = [];
  const bodies = [];
  const stream = () => new Response(new ReadableStream({ start: (body) => void bodies.push(body) }), { headers: STREAM });
  const fetch = async (url, options) => {
    requests.push({ url, ...options });
    const answer = answers.shift() ?? stream();
    if (answer instanceof Error) throw answer;
    options.signal.addEventListener("abort", () => bodies.at(-1)?.error(new DOMException("aborted", "AbortError")));
    return answer;
  };
  const source = new FetchSource("/streams?stream=conversation:1", { headers, fetch, timers });
  const fired = [];
  for (const name of ["open", "error", "message", "typing"]) {
    source.addEventListener(name, ({ type, data, lastEventId }) => fired.push([type, data, lastEventId, source.readyState]));
  }
  const send = async (text) => {
    bodies.at(-1).enqueue(new TextEncoder().encode(text));
    await settled();
  };
  const end = async () => {
    bodies.at(-1).close();
    await settled();
  };
  return { source, requests, fired, send, end, timers, types: () => fired.map(([type]) => type) };
}

test("an event is dispatched with its type, data and id", async () => {
  const { source, fired, send } = setUp();
  assert.equal(source.readyState, 0);
  await settled();
  await send("id: 1\nevent: typing\ndata: a\n\ndata: b\n\n");

  assert.deepEqual(fired, [["open", undefined, undefined, 1], ["typing", "a", "1", 1], ["message", "b", "1", 1]]);
});

test("every request has the present headers, and accepts an event stream that no cache answers", async () => {
  let token = "one";
  const { requests, end, timers } = setUp({ headers: () => ({ Authorization: `Bearer ${token}` }) });
  await settled();
  token = "two";
  await end();
  timers.pass(3_000);

  assert.deepEqual(requests.map(({ headers }) => headers), [
    { Accept: "text/event-stream", Authorization: "Bearer one" },
    { Accept: "text/event-stream", Authorization: "Bearer two" },
  ]);
  assert.ok(requests.every(({ url, cache, redirect }) => !url.includes("one") && cache === "no-store" && redirect === "manual"));
});

test("a stream that ends is opened again after its retry, from the id of its last complete event", async () => {
  const { source, requests, send, end, timers, types } = setUp();
  await settled();
  await send("retry: 500\nid: e-1-1\ndata: a\n\nid: e-1-2\ndata: not complete\n");
  await end();

  assert.deepEqual(types(), ["open", "message", "error"]);
  assert.equal(source.readyState, 0);
  timers.pass(499);
  assert.equal(requests.length, 1);
  timers.pass(1);
  assert.equal(requests[1].headers["Last-Event-ID"], "e-1-1");
  await settled();
  await send("data: b\n\n");
  assert.deepEqual(types(), ["open", "message", "error", "open", "message"]);
});

test("without an answer the source asks again after three seconds, and again", async () => {
  const { source, requests, timers, types } = setUp({ answers: [new TypeError("network"), new TypeError("network")] });
  for (let turn = 1; turn <= 3; turn++) {
    await settled();
    assert.equal(requests.length, turn);
    timers.pass(2_999);
    assert.equal(requests.length, turn);
    timers.pass(1);
  }
  assert.deepEqual(types(), ["error", "error", "open"]);
  assert.equal(source.readyState, 1);
});

test("a retry of any length is no delay of zero", async () => {
  const { requests, send, end, timers } = setUp();
  await settled();
  await send("retry: 99999999999999999999\ndata: a\n\n");
  await end();
  timers.pass(1_000_000);
  assert.equal(requests.length, 1);
});

for (const [what, answer] of [
  ["401", () => new Response("{}", { status: 401, headers: STREAM })],
  ["503", () => new Response("", { status: 503, headers: STREAM })],
  ["204", () => new Response(null, { status: 204, headers: STREAM })],
  ["a page", () => new Response("data: a\n\n", { headers: { "Content-Type": "text/html" } })],
  ["a type that only begins like an event stream's", () => new Response("data: a\n\n", { headers: { "Content-Type": "text/event-streams" } })],
  ["no type", () => new Response(new Uint8Array([100]))],
  ["a redirection", () => ({ status: 0, type: "opaqueredirect", headers: new Headers(), body: null })],
]) {
  test(`${what} in place of a stream closes the source for good`, async () => {
    const { source, requests, fired, timers } = setUp({ answers: [answer()] });
    await settled();
    assert.deepEqual(fired, [["error", undefined, undefined, 2]]);
    assert.equal(source.readyState, 2);
    timers.pass(1_000_000);
    assert.equal(requests.length, 1);
  });
}

test("a closed source dispatches nothing more, and its request is aborted", async () => {
  const { source, requests, types, send, timers } = setUp();
  source.addEventListener("message", () => source.close());
  await settled();
  await send("data: a\n\ndata: b\n\n");
  timers.pass(1_000_000);
  await settled();

  assert.deepEqual(types(), ["open", "message"]);
  assert.ok(requests[0].signal.aborted);
  assert.equal(requests.length, 1);
});

test("a source that is closed before the answer comes dispatches nothing", async () => {
  const { source, requests, types, timers } = setUp();
  source.close();
  await settled();
  timers.pass(1_000_000);
  assert.deepEqual(types(), []);
  assert.ok(requests[0].signal.aborted);
});

test("a source that is closed while it waits does not ask again", async () => {
  const { source, requests, end, timers } = setUp();
  await settled();
  await end();
  source.close();
  timers.pass(1_000_000);
  assert.equal(requests.length, 1);
});

test("an id beyond ASCII is sent as UTF-8", async () => {
  const { requests, send, end, timers } = setUp();
  await settled();
  await send("id: é😀\ndata: a\n\n");
  await end();
  timers.pass(3_000);
  const sent = new Headers(requests[1].headers).get("Last-Event-ID");
  assert.equal(new TextDecoder().decode(Uint8Array.from(sent, (c) => c.charCodeAt(0))), "é😀");
});
