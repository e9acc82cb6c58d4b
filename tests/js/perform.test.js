import assert from "node:assert/strict";
import test from "node:test";

import { ActionError, actionUrl, post } from "../../static/js/connector/perform.js";

const json = (status, body, headers) => new Response(JSON.stringify(body), { status, headers });

/** Answers what it is given, one after the other; an Error is no answer. */
function server(...answers) {
  const asked = [];
  const fetch = async (url, options) => {
    asked.push({ url, ...options });
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { fetch, asked, delays: [0, 0] };
}

test("a stream and an action make the address", () => {
  assert.equal(actionUrl("conversation:42", "messages"), "/conversations/42/messages");
  assert.equal(actionUrl("account:1", "presence"), "/accounts/1/presence");
  assert.equal(actionUrl("message:17", "delete"), "/messages/17/delete");
  assert.equal(actionUrl("message:17", ""), "/messages/17");
});

for (const [name, action] of [["presence", "x"], ["conversation:", "x"], ["conversation:1", "../2"], ["constructor:1", "x"]]) {
  test(`${name} with ${action} has no address`, () => {
    assert.throws(() => actionUrl(name, action), TypeError);
  });
}

test("it is posted as JSON with the token, and the answer is what the server made", async () => {
  const { fetch, asked } = server(json(201, { id: 5 }));

  assert.deepEqual(await post("/conversations/1/messages", { content: "Hi" }, { csrf: "t", fetch }), { id: 5 });

  assert.equal(asked[0].url, "/conversations/1/messages");
  assert.equal(asked[0].method, "POST");
  assert.equal(asked[0].headers["X-CSRF-Token"], "t");
  assert.equal(asked[0].body, '{"content":"Hi"}');
});

test("an answer without content is null", async () => {
  const { fetch } = server(new Response(null, { status: 204 }));
  assert.equal(await post("/x", {}, { fetch }), null);
});

test("a refusal is thrown with its status and the server's words", async () => {
  const problem = { title: "Unprocessable", status: 422, detail: "Too long.", errors: { content: ["Too long."] } };
  const { fetch, asked, delays } = server(json(422, problem));

  await assert.rejects(post("/x", { client_id: "a" }, { fetch, delays }), (error) => {
    assert.ok(error instanceof ActionError);
    assert.equal(error.status, 422);
    assert.deepEqual(error.problem, problem);
    assert.equal(error.message, "Too long.");
    return true;
  });
  assert.equal(asked.length, 1);
});

test("too much at once tells when to come back", async () => {
  const { fetch } = server(json(429, {}, { "Retry-After": "7" }));
  await assert.rejects(post("/x", {}, { fetch }), { status: 429, retryAfter: 7_000 });
});

for (const failure of [new TypeError("network"), new Response("<h1>", { status: 502 }), new Response("", { status: 503 })]) {
  test(`with a client_id it is tried again after ${failure.status ?? "no answer"}`, async () => {
    const { fetch, asked, delays } = server(failure, json(200, { id: 5 }));

    assert.deepEqual(await post("/x", { client_id: "a" }, { fetch, delays }), { id: 5 });
    assert.equal(asked.length, 2);
    assert.equal(asked[0].body, asked[1].body);
  });
}

test("without one it is not: it may have been done", async () => {
  const { fetch, asked, delays } = server(new TypeError("network"));

  await assert.rejects(post("/x", {}, { fetch, delays }), { status: 0, problem: null });
  assert.equal(asked.length, 1);
});

test("after three attempts it is given up", async () => {
  const { fetch, asked, delays } = server(new TypeError("1"), new TypeError("2"), new TypeError("3"), json(200, {}));

  await assert.rejects(post("/x", { client_id: "a" }, { fetch, delays }), { status: 0 });
  assert.equal(asked.length, 3);
});
