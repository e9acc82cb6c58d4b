import assert from "node:assert/strict";
import test from "node:test";

import { clockLabel, dayLabel, momentLabel, recentLabel } from "../../static/js/inbox/times.js";

const now = new Date(2026, 10, 23, 9, 0); // a Monday

test("today and yesterday have names", () => {
  assert.equal(dayLabel(new Date(2026, 10, 23, 0, 0), now, "en-GB"), "Today");
  assert.equal(dayLabel(new Date(2026, 10, 22, 23, 59), now, "en-GB"), "Yesterday");
});

test("other days have dates, with the year unless it is this one", () => {
  assert.match(dayLabel(new Date(2026, 10, 21), now, "en-GB"), /21 Nov$/);
  assert.match(dayLabel(new Date(2025, 10, 21), now, "en-GB"), /21 Nov 2025$/);
  assert.match(dayLabel(new Date(2026, 10, 24), now, "en-GB"), /24 Nov$/);
});

test("recentLabel() shows the time today, the weekday this week, else the date", () => {
  assert.equal(recentLabel(new Date(2026, 10, 23, 0, 5), now, "en-GB"), "00:05");
  assert.equal(recentLabel(new Date(2026, 10, 22, 23, 59), now, "en-GB"), "Sun");
  assert.equal(recentLabel(new Date(2026, 10, 17), now, "en-GB"), "Tue");
  assert.equal(recentLabel(new Date(2026, 10, 16), now, "en-GB"), "16 Nov");
  assert.equal(recentLabel(new Date(2025, 10, 16), now, "en-GB"), "16 Nov 2025");
});

test("clockLabel() has two digits each for hours and minutes", () => {
  assert.equal(clockLabel(new Date(2026, 10, 23, 9, 5), now, "en-GB"), "09:05");
});

test("recentLabel() counts the minutes of the last hour", () => {
  assert.equal(recentLabel(new Date(2026, 10, 23, 8, 59, 30), now, "en-GB"), "now");
  assert.equal(recentLabel(new Date(2026, 10, 23, 9, 0, 20), now, "en-GB"), "now"); // the server's clock is ahead
  assert.equal(recentLabel(new Date(2026, 10, 23, 8, 56), now, "en-GB"), "4 min");
  assert.equal(recentLabel(new Date(2026, 10, 23, 8, 0), now, "en-GB"), "08:00");
  assert.equal(recentLabel(new Date(2026, 10, 22, 23, 30), new Date(2026, 10, 23, 0, 15), "en-GB"), "45 min");
});

test("momentLabel() has the day unless it is today", () => {
  assert.equal(momentLabel(new Date(2026, 10, 23, 12, 0), now, "en-GB"), "12:00");
  assert.match(momentLabel(new Date(2026, 10, 24, 9, 0), now, "en-GB"), /24 Nov, 09:00$/);
});
