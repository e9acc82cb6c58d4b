import assert from "node:assert/strict";
import test from "node:test";

import { Credentials } from "../../static/js/connector/credentials.js";
import { ActionError, actionUrl, post as postWith } from "../../static/js/connector/perform.js";
import { TokenCredentials } from "../../static/js/connector/visitor/token_credentials.js";

const post = (url, data, options) => postWith(url, data, { credentials: new Credentials(), ...options });
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

  assert.deepEqual(await post("/conversations/1/messages", { content: "Hi" }, { credentials: new Credentials({ csrf: "t" }), fetch }), { id: 5 });

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

for (const [seconds, attempts] of [["30", 2], ["31", 1], ["1e12", 1]]) {
  test(`post() with a client_id and a Retry-After of ${seconds} s is sent ${attempts} time(s)`, async () => {
    const { fetch, requests } = server(json(503, {}, { "Retry-After": seconds }), json(200, {}));
    const waited = [];
    const timers = { setTimeout: (run, delay) => (waited.push(delay), run()) };

    await post("/x", { client_id: "a" }, { fetch, timers }).catch((error) => assert.equal(error.retryAfter, Number(seconds) * 1_000));
    assert.equal(requests.length, attempts);
    assert.deepEqual(waited, attempts === 2 ? [30_000] : []);
  });
}

// ---- refused with 401

const refusal = () => json(401, { status: 401, detail: "This page is of a session that has ended." });
const me = (id, csrf) => json(200, { id, name: "Kevin" }, { "X-CSRF-Token": csrf });

test("post() after another sign-in of the same user takes the new CSRF token, and is sent once more", async () => {
  const { fetch, requests } = server(refusal(), me(2, "new"), json(201, { id: 5 }), json(201, { id: 6 }));
  const credentials = new Credentials({ user: "2", csrf: "old", fetch });

  assert.deepEqual(await post("/x", { content: "Hi" }, { credentials, fetch }), { id: 5 });
  await post("/x", {}, { credentials, fetch });

  assert.deepEqual(requests.map(({ url }) => url), ["/x", "/me", "/x", "/x"]);
  assert.deepEqual(requests.map(({ headers }) => headers["X-CSRF-Token"]), ["old", undefined, "new", "new"]);
  assert.equal(requests[2].body, requests[0].body);
});

for (const [who, answer] of [
  ["as another user", () => me(1, "new")],
  ["with nobody signed in", () => json(401, {})],
  ["without an answer", () => new TypeError("network")],
  ["with a server that fails", () => json(500, {})],
]) {
  test(`post() ${who} throws the 401, and is not sent again`, async () => {
    const { fetch, requests } = server(refusal(), answer(), json(201, {}));
    const credentials = new Credentials({ user: 2, csrf: "old", fetch });

    await assert.rejects(post("/x", { client_id: "a" }, { credentials, fetch, delays: [0, 0] }), { status: 401 });

    assert.equal(requests.length, 2);
    assert.equal(credentials.secret, "old");
  });
}

test("post() of a page that does not name its user is not sent again: it might be another one's", async () => {
  const { fetch, requests } = server(refusal(), me(2, "new"), json(201, {}));

  await assert.rejects(post("/x", {}, { credentials: new Credentials({ csrf: "old", fetch }), fetch }), { status: 401 });
  assert.equal(requests.length, 1);
});

test("post() that is refused again with the new token throws the 401", async () => {
  const { fetch, requests } = server(refusal(), me(2, "new"), refusal(), json(201, {}));
  const credentials = new Credentials({ user: 2, csrf: "old", fetch });

  await assert.rejects(post("/x", {}, { credentials, fetch }), { status: 401 });
  assert.equal(requests.length, 3);
});

test("actions that are refused together renew the session once", async () => {
  const requests = [];
  const fetch = async (url, { headers }) => {
    requests.push(url);
    if (url === "/me") return me(2, "new");
    return headers["X-CSRF-Token"] === "new" ? json(201, {}) : refusal();
  };
  const credentials = new Credentials({ user: 2, csrf: "old", fetch });

  await Promise.all(Array.from({ length: 5 }, () => post("/x", {}, { credentials, fetch })));
  assert.equal(requests.filter((url) => url === "/me").length, 1);
});

test("post() with a visitor's token asks for it first, and again after a 401; no CSRF token is sent", async () => {
  const { fetch, requests } = server(json(201, {}), refusal(), json(201, {}));
  const tokens = ["one", "two"];
  const credentials = new TokenCredentials(async () => tokens.shift());

  await post("/x", {}, { credentials, fetch });
  await post("/x", {}, { credentials, fetch });

  assert.deepEqual(requests.map(({ headers }) => headers.Authorization), ["Bearer one", "Bearer one", "Bearer two"]);
  assert.ok(requests.every(({ headers }) => !("X-CSRF-Token" in headers)));
});

test("post() whose first token is refused, an old one of the page's, asks for another", async () => {
  const { fetch, requests } = server(refusal(), json(201, { id: 5 }));
  const tokens = ["old", "new"];
  const credentials = new TokenCredentials(() => tokens.shift());

  assert.deepEqual(await post("/x", {}, { credentials, fetch }), { id: 5 });
  assert.deepEqual(requests.map(({ headers }) => headers.Authorization), ["Bearer old", "Bearer new"]);
});

for (const [what, token] of [
  ["the same token", () => "one"],
  ["null", () => null],
  ["no text", () => 7],
]) {
  test(`a token() that returns ${what} after a 401 is final`, async () => {
    const { fetch, requests } = server(json(201, {}), refusal(), json(201, {}));
    let calls = 0;
    const credentials = new TokenCredentials(() => (calls++ === 0 ? "one" : token()));
    await post("/x", {}, { credentials, fetch });

    await assert.rejects(post("/x", {}, { credentials, fetch }), { status: 401 });
    assert.equal(requests.length, 2);
  });
}

test("the page's renew() is called in place of asking the server", async () => {
  const { fetch, requests } = server(refusal(), json(201, {}));
  let calls = 0;
  const credentials = new Credentials({ csrf: "old", fetch, renew: async () => ++calls === 1 });

  await post("/x", {}, { credentials, fetch });

  assert.deepEqual(requests.map(({ url }) => url), ["/x", "/x"]);
  assert.equal(calls, 1);
});
