import assert from "node:assert/strict";
import test from "node:test";

import { ActionError, actionUrl, post } from "../../static/js/connector/perform.js";

const json = (status, body, headers) => new Response(JSON.stringify(body), { status, headers });

/** A fetch that returns the given answers in order; an Error stands for no answer. */
function server(...answers) {
  const requests = [];
  const fetch = async (url, options) => {
    requests.push({ url, ...options });
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { fetch, requests, delays: [0, 0] };
}

test("actionUrl() builds the address of a stream's action", () => {
  assert.equal(actionUrl("conversation:42", "messages"), "/conversations/42/messages");
  assert.equal(actionUrl("account:1", "presence"), "/accounts/1/presence");
  assert.equal(actionUrl("message:17", "delete"), "/messages/17/delete");
  assert.equal(actionUrl("message:17", ""), "/messages/17");
});

for (const [name, action] of [["presence", "x"], ["conversation:", "x"], ["conversation:1", "../2"], ["constructor:1", "x"]]) {
  test(`actionUrl() throws for ${name} with ${action}`, () => {
    assert.throws(() => actionUrl(name, action), TypeError);
  });
}

test("post() sends JSON with the CSRF token and returns the parsed answer", async () => {
  const { fetch, requests } = server(json(201, { id: 5 }));

  assert.deepEqual(await post("/conversations/1/messages", { content: "Hi" }, { csrf: "t", fetch }), { id: 5 });

  assert.equal(requests[0].url, "/conversations/1/messages");
  assert.equal(requests[0].method, "POST");
  assert.equal(requests[0].headers["X-CSRF-Token"], "t");
  assert.equal(requests[0].body, '{"content":"Hi"}');
});

test("post() returns null for 204", async () => {
  const { fetch } = server(new Response(null, { status: 204 }));
  assert.equal(await post("/x", {}, { fetch }), null);
});

test("post() throws a refusal with its status and problem, without repeating it", async () => {
  const problem = { title: "Unprocessable", status: 422, detail: "Too long.", errors: { content: ["Too long."] } };
  const { fetch, requests, delays } = server(json(422, problem));

  await assert.rejects(post("/x", { client_id: "a" }, { fetch, delays }), (error) => {
    assert.ok(error instanceof ActionError);
    assert.equal(error.status, 422);
    assert.deepEqual(error.problem, problem);
    assert.equal(error.message, "Too long.");
    return true;
  });
  assert.equal(requests.length, 1);
});

test("post() throws a 429 with its Retry-After in milliseconds", async () => {
  const { fetch } = server(json(429, {}, { "Retry-After": "7" }));
  await assert.rejects(post("/x", {}, { fetch }), { status: 429, retryAfter: 7_000 });
});

for (const failure of [new TypeError("network"), new Response("<h1>", { status: 502 }), new Response("", { status: 503 })]) {
  test(`post() with a client_id is repeated after ${failure.status ?? "no answer"}`, async () => {
    const { fetch, requests, delays } = server(failure, json(200, { id: 5 }));

    assert.deepEqual(await post("/x", { client_id: "a" }, { fetch, delays }), { id: 5 });
    assert.equal(requests.length, 2);
    assert.equal(requests[0].body, requests[1].body);
  });
}

test("post() without a client_id is never repeated", async () => {
  const { fetch, requests, delays } = server(new TypeError("network"));

  await assert.rejects(post("/x", {}, { fetch, delays }), { status: 0, problem: null });
  assert.equal(requests.length, 1);
});

test("post() gives up after three attempts", async () => {
  const { fetch, requests, delays } = server(new TypeError("1"), new TypeError("2"), new TypeError("3"), json(200, {}));

  await assert.rejects(post("/x", { client_id: "a" }, { fetch, delays }), { status: 0 });
  assert.equal(requests.length, 3);
});
