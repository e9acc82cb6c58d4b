import assert from "node:assert/strict";
import test from "node:test";

import { Unsent } from "../../static/js/inbox/unsent.js";
import { storage } from "./fakes.js";

/** The server: what it has accepted, and how it fails. */
class Server {
  accepted = new Map();
  order = [];
  failure = null; // a status
  attempts = 0;

  perform = async (stream, action, data) => {
    this.attempts++;
    if (this.failure !== null) throw Object.assign(new Error("refused"), { status: this.failure });
    if (!this.accepted.has(data.client_id)) this.order.push(`${stream} ${action} ${data.content} ${data.private}`);
    this.accepted.set(data.client_id, data.content);
  };
}

function tab(server, { kept = storage(), user = "7", now } = {}) {
  const events = new EventTarget();
  const timers = { setTimeout: () => 0, clearTimeout: () => {} };
  const unsent = new Unsent(kept, user, server.perform, { timers, events, locks: undefined });
  const states = [];
  unsent.listen((message, state) => states.push(`${message.content} ${state}`));
  return { unsent, kept, events, states };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("messages are sent in order, and kept no longer than until the server has them", async () => {
  const server = new Server();
  const { unsent, kept, states } = tab(server);
  unsent.send("1", "First", false);
  unsent.send("1", "Second", true);
  assert.equal(Object.keys(kept).length, 2);
  await settled();
  assert.deepEqual(server.order, ["conversation:1 messages First false", "conversation:1 messages Second true"]);
  assert.deepEqual(Object.keys(kept), []);
  assert.ok(states.includes("Second sent"));
  assert.ok(unsent.isEmpty);
});

test("a message without an answer outlives its tab, and the next tab sends it by itself, once", async () => {
  const server = new Server();
  const kept = storage();
  server.failure = 0;
  tab(server, { kept }).unsent.send("2", "Kept", false);
  await settled();
  server.failure = null;
  const later = tab(server, { kept });
  await settled();
  assert.deepEqual(server.order, ["conversation:2 messages Kept false"]);
  assert.ok(later.unsent.isEmpty);
  tab(server, { kept });
  await settled();
  assert.equal(server.order.length, 1);
});

test("another user's tab sends nothing of it", async () => {
  const server = new Server();
  const kept = storage();
  server.failure = 503;
  tab(server, { kept }).unsent.send("2", "Ada's", false);
  await settled();
  server.failure = null;
  tab(server, { kept, user: "8" });
  await settled();
  assert.deepEqual(server.order, []);
});

test("when the connection is back, what had no answer is sent; what was refused waits for its author", async () => {
  const server = new Server();
  const { unsent } = tab(server);
  server.failure = 422;
  unsent.send("1", "Refused", false);
  await settled();
  server.failure = 503;
  unsent.send("1", "Unanswered", false);
  await settled();
  server.failure = null;
  unsent.connected();
  await settled();
  assert.deepEqual(server.order, ["conversation:1 messages Unanswered false"]);
  const [refused] = unsent.of("1");
  assert.equal(refused.content, "Refused");
  unsent.retry(refused);
  await settled();
  assert.equal(server.order[1], "conversation:1 messages Refused false");
});

test("what another tab sends or drops leaves this one", async () => {
  const server = new Server();
  server.failure = 0;
  const { unsent, events, states } = tab(server);
  const message = { conversation: "1", content: "There", private: false, client_id: "c-1", at: 1 };
  const stored = (newValue) => events.dispatchEvent(Object.assign(new Event("storage"), { key: "rtapp.unsent.7.c-1", newValue }));
  stored(JSON.stringify(message));
  assert.equal(unsent.of("1").length, 1);
  stored(null);
  assert.equal(unsent.of("1").length, 0);
  assert.deepEqual(states, ["There added", "There gone"]);
});

test("a message of more than a day ago is not sent by itself", async () => {
  const server = new Server();
  const old = { conversation: "1", content: "Old", private: false, client_id: "c-2", at: Date.now() - 90_000_000 };
  const { unsent } = tab(server, { kept: storage({ "rtapp.unsent.7.c-2": JSON.stringify(old) }) });
  await settled();
  assert.equal(server.attempts, 0);
  assert.equal(unsent.of("1").length, 1);
});

test("a storage that refuses or has invalid data does not keep a message from being sent", async () => {
  const server = new Server();
  const refuses = { getItem: () => { throw new Error("no"); }, setItem: () => { throw new Error("full"); }, removeItem: () => { throw new Error("no"); } };
  tab(server, { kept: refuses }).unsent.send("1", "Anyway", false);
  tab(server, { kept: storage({ "rtapp.unsent.7.x": "{", "rtapp.unsent.7.y": "null" }) });
  await settled();
  assert.deepEqual(server.order, ["conversation:1 messages Anyway false"]);
});

test("a message that waits to be sent is queued once, however often the connection is back", async () => {
  const server = new Server();
  server.failure = 0;
  const { unsent, events } = tab(server);
  unsent.send("1", "Waiting", false);
  for (let n = 0; n < 5; n++) unsent.connected();
  events.dispatchEvent(new Event("online"));
  await settled();
  assert.equal(server.attempts, 1);
  unsent.connected();
  await settled();
  assert.equal(server.attempts, 2);
});
