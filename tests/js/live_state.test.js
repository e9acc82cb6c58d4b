import assert from "node:assert/strict";
import test from "node:test";

import { LiveState } from "../../static/js/inbox/live_state.js";

function setUp() {
  let now = 0;
  const state = new LiveState(() => now);
  const changes = [];
  const note = () => changes.at(-1) !== state.name && changes.push(state.name);
  const pass = (ms) => {
    for (const end = now + ms; now < end; now += 100) note();
    note();
  };
  const step = (name, ...values) => {
    state[name](...values);
    note();
  };
  note();
  return { state, changes, pass, step };
}

/** A proxy lets the stream open, and cuts it after `life` ms; the next attempt comes `gap` ms later. */
function cut({ pass, step }, { life, gap, times }) {
  for (let n = 0; n < times; n++) {
    step("connected");
    pass(life);
    step("disconnected", "network", true);
    pass(gap);
  }
}

test("a page is connecting, then live, then behind by the server's lag, then live again", () => {
  const { changes, step, state } = setUp();
  step("connected");
  step("ping", 7);
  assert.equal(state.lag, 7);
  step("ping", 0);

  assert.deepEqual(changes, ["connecting", "live", "late", "live"]);
});

test("one interruption is shown, and its end at once", () => {
  const here = setUp();
  here.step("connected");
  here.pass(1_000);
  here.step("disconnected", "network", true);
  here.pass(2_000);
  here.step("connected");
  here.pass(100);

  assert.deepEqual(here.changes, ["connecting", "live", "reconnecting", "live"]);
});

test("a page whose connection opens and is cut again and again shows reconnecting all the time", () => {
  const here = setUp();
  cut(here, { life: 500, gap: 3_000, times: 50 });

  assert.deepEqual(here.changes, ["connecting", "live", "reconnecting", "live", "reconnecting"]);
});

test("after connections of short life the page is live again once one has lasted ten seconds", () => {
  const here = setUp();
  cut(here, { life: 500, gap: 3_000, times: 5 });
  here.step("connected");
  here.step("ping", 0);
  here.pass(9_900);
  assert.equal(here.state.name, "reconnecting");
  here.pass(200);
  assert.equal(here.state.name, "live");

  here.step("disconnected", "network", true);
  here.step("connected");
  assert.equal(here.state.name, "live", "a single interruption is no flicker");
});

test("connections that last longer than ten seconds are shown live each time", () => {
  const here = setUp();
  cut(here, { life: 11_000, gap: 2_000, times: 3 });

  assert.deepEqual(here.changes, ["connecting", "live", "reconnecting", "live", "reconnecting", "live", "reconnecting"]);
});

test("a tab that sleeps and wakes is not unsteady", () => {
  const here = setUp();
  for (let n = 0; n < 5; n++) {
    here.step("connected");
    here.step("disconnected", "away", true);
  }
  here.step("connected");

  assert.equal(here.state.name, "live");
});

test("a page without a network is offline at once, and not live again before the server has sent something", () => {
  const here = setUp();
  here.step("connected");
  here.step("offline");
  here.step("online");
  here.pass(5_000);
  here.step("ping", 0);

  assert.deepEqual(here.changes, ["connecting", "live", "offline", "reconnecting", "live"]);
});

test("an interruption without a network is offline", () => {
  const { step, state } = setUp();
  step("connected");
  step("disconnected", "network", false);
  assert.equal(state.name, "offline");
});

test("a stream that the server holds is late, and is not live before it opens", () => {
  const { step, state } = setUp();
  step("ping", 1);
  assert.equal(state.name, "connecting");
  step("ping", 15);
  assert.equal(state.name, "late");
  step("connected");
  assert.equal(state.name, "live");
});

test("an ended page stays ended until it is connected again", () => {
  const { step, state } = setUp();
  step("connected");
  step("ended");
  step("ping", 0);
  step("disconnected", "network", true);
  assert.equal(state.name, "ended");
  step("connected");
  assert.equal(state.name, "live");
});
