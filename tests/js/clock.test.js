import assert from "node:assert/strict";
import test from "node:test";

import { serverNow, setClock } from "../../static/js/inbox/clock.js";
import { recentLabel } from "../../static/js/inbox/times.js";
import { wakeTime } from "../../static/js/inbox/on_demand/snooze.js";

const HOUR = 3_600_000;
const ago = (ms) => new Date(Date.now() - ms);

test("a browser whose clock is two hours fast shows times by the server's", () => {
  setClock(ago(2 * HOUR).toISOString());
  assert.equal(recentLabel(ago(2 * HOUR + 5.5 * 60_000)), "5 min");
  assert.ok(Math.abs(wakeTime("hours") - (Date.now() + HOUR)) < 5_000);
});

test("a page that took seconds to load, and one without the server's time, use the browser's clock", () => {
  for (const time of [ago(20_000).toISOString(), null, "yesterday"]) {
    setClock(time);
    assert.ok(Math.abs(serverNow() - Date.now()) < 1_000);
  }
});
