/** The connector of visitors as a whole, over a fetch that the test drives. */

import assert from "node:assert/strict";
import test from "node:test";

import { connect as connectSession } from "../../static/js/connector/connector.js";
import { connect } from "../../static/js/connector/visitor/visitor.js";
import { FakeTimers, settled } from "./fakes.js";

/** `accepted`: the token that the server knows at present. */
function setUp({ tokens = ["one"], accepted = "one", ...options } = {}) {
  const server = { accepted, requests: [], body: null };
  const fetch = async (url, { method = "GET", headers, signal }) => {
    server.requests.push([method, url, headers.Authorization]);
    if (headers.Authorization !== `Bearer ${server.accepted}`) return new Response("{}", { status: 401 });
    if (method !== "GET") return new Response("{}", { status: method === "HEAD" ? 200 : 201 });
    const stream = new ReadableStream({ start: (body) => void (server.body = body) });
    const { body } = server;
    signal.addEventListener("abort", () => body.error(new Error("aborted")));
    return new Response(stream, { headers: { "Content-Type": "text/event-stream" } });
  };
  const timers = new FakeTimers();
  let asked = 0;
  const token = async () => {
    const next = tokens[asked++] ?? null;
    if (next instanceof Error) throw next;
    return next;
  };
  const connector = connect({ token, fetch, timers, now: timers.wallClock, random: () => 0.5, storage: null, ...options });
  const received = [];
  const record = (name) => (value) => received.push([name, value]);
  const names = ["Connected", "Disconnected", "Reset", "Rejected", "Closed", "MessageCreated"];
  connector.subscribe("conversation:1", Object.fromEntries(names.map((name) => [`on${name}`, record(name)])), { cursor: "e-1-0" });
  const send = async (name, id, data) => {
    server.body.enqueue(new TextEncoder().encode(`${id ? `id: ${id}\n` : ""}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`));
    await settled();
  };
  const message = (id, content) =>
    send("message.created", id, { event: "message.created", stream: "conversation:1", timestamp: 1, data: { content } });
  const settle = async () => {
    for (let turn = 0; turn < 4; turn++) {
      await settled();
      timers.pass(1_000);
    }
    await settled();
  };
  const contents = () => received.filter(([name]) => name === "MessageCreated").map(([, { content }]) => content);
  return { connector, server, received, send, message, settle, contents, names: () => received.map(([name]) => name), asked: () => asked };
}

const opened = { resumed: true, heartbeat: 15 };

test("the token is asked for once, and is in the header of the stream, and in no address", async () => {
  const { server, send, message, settle, contents, asked } = setUp();
  await settle();
  await send("stream.open", "e-1-0", opened);
  await message("e-2-0", "Hello");

  assert.deepEqual(contents(), ["Hello"]);
  assert.deepEqual(server.requests, [["GET", "/streams?stream=conversation%3A1&format=json&last_event_id=e-1-0", "Bearer one"]]);
  assert.equal(asked(), 1);
});

test("an action has the token too", async () => {
  const { connector, server, settle } = setUp();
  await settle();
  await connector.perform("conversation:1", "messages", { content: "Hello" });
  assert.deepEqual(server.requests.at(-1), ["POST", "/conversations/1/messages", "Bearer one"]);
});

for (const [how, end] of [
  ["stream.closed", ({ send }) => send("stream.closed", "", { reason: "signed_out", reconnect: false })],
  ["a 401 after the connection was lost", async ({ server }) => server.body.close()],
]) {
  test(`a token that ends by ${how} is asked for again, and the stream goes on from its cursor`, async () => {
    const setting = setUp({ tokens: ["one", "two"] });
    const { server, send, message, settle, contents, names, asked } = setting;
    await settle();
    await send("stream.open", "e-1-0", opened);
    await message("e-2-0", "One");
    server.accepted = "two";
    await end(setting);
    await settle();

    assert.match(server.requests.at(-1)[1], /last_event_id=e-2-0/);
    assert.equal(server.requests.at(-1)[2], "Bearer two");
    await send("stream.open", "e-2-0", opened);
    await message("e-3-0", "Two");
    assert.deepEqual(contents(), ["One", "Two"]);
    assert.ok(!names().includes("Rejected"));
    assert.equal(asked(), 2);
  });
}

test("a first token that the server refuses, an old one of the page's, is asked for again; the probe has it too", async () => {
  const { server, send, settle, names } = setUp({ tokens: ["old", "one"] });
  await settle();
  await settle();
  await send("stream.open", "e-1-0", opened);

  assert.deepEqual(server.requests.map(([method, , token]) => [method, token]), [
    ["GET", "Bearer old"], ["HEAD", "Bearer old"], ["GET", "Bearer one"],
  ]);
  assert.deepEqual(names(), ["Disconnected", "Connected"]);
});

test("a token() that throws is asked again", async () => {
  const { send, settle, names, asked } = setUp({ tokens: [new Error("offline"), "one"] });
  await settle();
  await send("stream.open", "e-1-0", opened);
  assert.equal(asked(), 2);
  assert.deepEqual(names(), ["Connected"]);
});

for (const [what, tokens] of [["null", ["one", null, null]], ["the same one", ["one", "one", "one"]], ["other tokens that are refused", ["one", "x", "y", "z"]]]) {
  test(`after ${what} for a token that has ended, the subscription ends`, async () => {
    const { server, send, settle, received, names } = setUp({ tokens });
    await settle();
    await send("stream.open", "e-1-0", opened);
    server.accepted = "another";
    await send("stream.closed", "", { reason: "signed_out", reconnect: false });
    for (let turn = 0; turn < 5; turn++) await settle();

    assert.deepEqual(names(), ["Connected", "Disconnected", "Rejected", "Closed"]);
    assert.equal(received[2][1].status, 401);
    const { length } = server.requests;
    await settle();
    assert.equal(server.requests.length, length);
  });
}

test("a disconnected connector aborts its request", async () => {
  const { connector, server, send, settle, names } = setUp();
  await settle();
  await send("stream.open", "e-1-0", opened);
  connector.disconnect();
  await settle();
  assert.throws(() => server.body.enqueue(new Uint8Array(1)));
  assert.deepEqual(names(), ["Connected"]);
  assert.equal(server.requests.length, 1);
});

test("the connector of sessions refuses a token, which it would not send", () => {
  assert.throws(() => connectSession({ token: () => "one" }), /visitor\.js/);
});
