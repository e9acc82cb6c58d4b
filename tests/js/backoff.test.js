/** The connector against a proxy that cuts: simulated time, over the whole connector. */

import assert from "node:assert/strict";
import test from "node:test";

import { connect } from "../../static/js/connector/connector.js";
import { FakeTimers, settled } from "./fakes.js";

const TEN_MINUTES = 600_000;
const RETRY = 2_000; // ms, the server's `retry:`
const CONNECTING = 0;
const CLOSED = 2;

/**
 * A browser behind a proxy. `EventSource` reconnects by itself, as WHATWG HTML 9.2.3 demands; `serve(source)` is called for
 * each request, with functions to answer it.
 */
function behindProxy(timers, serve) {
  const asked = [];
  class EventSource {
    readyState = CONNECTING;
    #listeners = {};

    constructor() {
      timers.setTimeout(() => this.#ask(), 0);
    }

    addEventListener(name, listener) {
      (this.#listeners[name] ??= []).push(listener);
    }

    close() {
      this.readyState = CLOSED;
    }

    #ask() {
      if (this.readyState === CLOSED) return;
      asked.push(timers.now);
      serve({
        emit: (name, data) => this.#dispatch(name, data),
        cut: () => this.#fail(CONNECTING),
        refuse: () => this.#fail(CLOSED),
      });
    }

    #fail(readyState) {
      if (this.readyState === CLOSED) return;
      this.readyState = readyState;
      if (readyState === CONNECTING) timers.setTimeout(() => this.#ask(), RETRY);
      this.#dispatch("error", {});
    }

    #dispatch(name, data) {
      if (this.readyState === CLOSED && name !== "error") return;
      for (const listener of this.#listeners[name] ?? []) listener({ data: JSON.stringify(data), lastEventId: "" });
    }
  }
  return { EventSource, asked };
}

/** Runs a connector for `duration` ms. Returns the times of its requests, and what the page was notified of. */
async function run(serve, { duration = TEN_MINUTES, seed = 1, probe = async () => ({ status: 200 }) } = {}) {
  const timers = new FakeTimers();
  const answer = (request) => serve({ ...request, after: (delay, act) => timers.setTimeout(act, delay) });
  const { EventSource, asked } = behindProxy(timers, answer);
  const states = [];
  const connector = connect({ cursor: "e-1-0", EventSource, timers, now: timers.wallClock, random: random(seed), probe, fetch: nobody });
  connector.subscribe("account:1", {
    onConnected: () => states.push("live"),
    onDisconnected: ({ reason }) => states.push(reason),
    onRejected: ({ status }) => states.push(status),
  });
  while (timers.now < duration && asked.length < 500) {
    await settled();
    timers.passToNext();
  }
  connector.disconnect();
  return { asked, states, gaps: asked.slice(1).map((time, i) => time - asked[i]) };
}

const nobody = async () => new Response("{}", { status: 401 });

/** mulberry32, in the public domain. */
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const open = ({ emit }) => emit("stream.open", { resumed: true, heartbeat: 15 });

/** Lets `stream.open` through, and cuts after `life` ms. */
const cutAfter = (life) => (request) => {
  open(request);
  request.after(life, request.cut);
};

for (const life of [0, 500, 9_000]) {
  test(`streams that a proxy cuts ${life} ms after stream.open cost fewer than 40 attempts in ten minutes`, async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const { asked, states } = await run(cutAfter(life), { seed });

      assert.ok(asked.length < 40, `${asked.length} attempts`);
      assert.ok(asked.length > 10, "the connector still tries");
      assert.equal(states.filter((state) => state === "live").length, asked.length);
    }
  });
}

test("the delays after streams of short life grow from under a second to between 15 and 30 seconds, and differ", async () => {
  const { gaps } = await run(cutAfter(0));

  assert.ok(gaps[0] >= 500 && gaps[0] <= 1_050, gaps);
  assert.ok(gaps.slice(0, 5).every((gap, i) => i === 0 || gap > gaps[i - 1] * 0.9), gaps);
  const late = gaps.slice(5);
  assert.ok(late.every((gap) => gap >= 15_000 && gap <= 30_050), gaps);
  assert.ok(new Set(late).size > late.length / 2, "jitter");
});

test("streams that last ten seconds are reopened by the browser after the server's retry, however often they are cut", async () => {
  const { gaps, states } = await run(cutAfter(10_000), { duration: 120_000 });

  assert.ok(gaps.length > 5);
  assert.ok(gaps.every((gap) => gap >= 10_000 + RETRY && gap <= 10_100 + RETRY), gaps);
  assert.equal(states[0], "live");
});

test("after a stream that has lasted, the delays begin anew", async () => {
  let requests = 0;
  const { gaps } = await run((request) => cutAfter(++requests === 8 ? 12_000 : 0)(request), { duration: 300_000 });

  assert.ok(gaps[6] >= 15_000, gaps);
  assert.ok(gaps[7] >= 12_000 + RETRY && gaps[7] < 12_100 + RETRY, gaps); // the browser's
  assert.ok(gaps[8] <= 1_050, gaps);
});

for (const [how, end] of [
  ["stream.closed with a short retry_after", ({ emit }) => emit("stream.closed", { reason: "too_slow", reconnect: true, retry_after: 100 })],
  ["stream.closed as forbidden, though no stream is", ({ emit }) => emit("stream.closed", { reason: "forbidden", reconnect: false })],
  ["a refusal that the probe does not confirm", ({ refuse }) => refuse()],
]) {
  test(`streams that end at once by ${how} cost fewer than 40 attempts in ten minutes`, async () => {
    const { asked } = await run((request) => {
      open(request);
      request.after(0, () => end(request));
    });

    assert.ok(asked.length < 40, `${asked.length} attempts`);
    assert.ok(asked.length > 10, "the connector still tries");
  });
}

test("a server that is away is asked fewer than 40 times in ten minutes", async () => {
  const { asked } = await run(({ cut }) => cut());

  assert.ok(asked.length < 40, `${asked.length} attempts`);
  assert.ok(asked.length > 10, "the connector still tries");
});

for (const seconds of [1e12, "1e999"]) {
  test(`a retry_after of ${seconds} ms is no delay of zero`, async () => {
    const { asked } = await run((request) => {
      open(request);
      request.after(0, () => request.emit("stream.closed", { reason: "shutdown", reconnect: true, retry_after: seconds }));
    });

    assert.equal(asked.length, 1);
  });
}
