import assert from "node:assert/strict";
import test from "node:test";

import { attempt, clockLabel, continues, dayLabel, recentLabel, sends, uuid } from "../../static/js/rtapp/inbox.js";

const VERSION_4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

// ---- client ids

test("a UUID comes from the browser where it makes them", () => {
  assert.equal(uuid({ randomUUID: () => "made" }), "made");
});

test("on plain HTTP a UUID is made of random bytes", () => {
  const insecure = { getRandomValues: (bytes) => globalThis.crypto.getRandomValues(bytes) };
  const made = new Set(Array.from({ length: 200 }, () => uuid(insecure)));

  assert.equal(made.size, 200);
  for (const id of made) assert.match(id, VERSION_4);
});

test("a UUID of extreme bytes keeps its version and variant", () => {
  assert.match(uuid({ getRandomValues: (bytes) => bytes.fill(0) }), VERSION_4);
  assert.match(uuid({ getRandomValues: (bytes) => bytes.fill(255) }), VERSION_4);
});

test("the same text after a failure keeps its client_id", () => {
  const first = attempt(null, { content: "Hi", private: false }, () => "one");
  const second = attempt(first, { content: "Hi", private: false }, () => "two");

  assert.deepEqual(second, { content: "Hi", private: false, client_id: "one" });
});

test("another text, another privacy, or a success gets a new client_id", () => {
  const first = attempt(null, { content: "Hi", private: false }, () => "one");

  assert.equal(attempt(first, { content: "Hi!", private: false }, () => "two").client_id, "two");
  assert.equal(attempt(first, { content: "Hi", private: true }, () => "two").client_id, "two");
  assert.equal(attempt(null, { content: "Hi", private: false }, () => "two").client_id, "two");
});

// ---- keys

test("Enter sends", () => {
  assert.ok(sends({ key: "Enter" }));
});

test("Shift+Enter, an input method's Enter, other keys, and Enter on a touch screen do not", () => {
  assert.ok(!sends({ key: "Enter", shiftKey: true }));
  assert.ok(!sends({ key: "Enter", isComposing: true }));
  assert.ok(!sends({ key: "Enter", keyCode: 229 }));
  assert.ok(!sends({ key: "a" }));
  assert.ok(!sends({ key: "Enter" }, true));
});

// ---- groups

const message = (changes = {}) => ({
  sender: "contact:9",
  type: "incoming",
  private: "false",
  at: new Date(2026, 10, 23, 14, 5),
  ...changes,
});

test("a message soon after one of the same sender continues it", () => {
  assert.ok(continues(message(), message({ at: new Date(2026, 10, 23, 14, 10) })));
});

test("another sender, a note, a pause or a new day starts anew", () => {
  assert.ok(!continues(message(), message({ sender: "user:9" })));
  assert.ok(!continues(message(), message({ private: "true" })));
  assert.ok(!continues(message(), message({ type: "activity" })));
  assert.ok(!continues(message(), message({ at: new Date(2026, 10, 23, 14, 10, 1) })));
  assert.ok(!continues(message({ at: new Date(2026, 10, 23, 23, 59) }), message({ at: new Date(2026, 10, 24, 0, 1) })));
  assert.ok(!continues(message({ sender: "" }), message({ sender: "" })));
});

// ---- times

const now = new Date(2026, 10, 23, 9, 0); // a Monday

test("days near by have names", () => {
  assert.equal(dayLabel(new Date(2026, 10, 23, 0, 0), now, "en-GB"), "Today");
  assert.equal(dayLabel(new Date(2026, 10, 22, 23, 59), now, "en-GB"), "Yesterday");
});

test("other days have dates, with the year when it is another", () => {
  assert.match(dayLabel(new Date(2026, 10, 21), now, "en-GB"), /21 Nov$/);
  assert.match(dayLabel(new Date(2025, 10, 21), now, "en-GB"), /21 Nov 2025$/);
  assert.match(dayLabel(new Date(2026, 10, 24), now, "en-GB"), /24 Nov$/);
});

test("the list shows the time today, the weekday this week, else the date", () => {
  assert.equal(recentLabel(new Date(2026, 10, 23, 0, 5), now, "en-GB"), "00:05");
  assert.equal(recentLabel(new Date(2026, 10, 22, 23, 59), now, "en-GB"), "Sun");
  assert.equal(recentLabel(new Date(2026, 10, 17), now, "en-GB"), "Tue");
  assert.equal(recentLabel(new Date(2026, 10, 16), now, "en-GB"), "16 Nov");
  assert.equal(recentLabel(new Date(2025, 10, 16), now, "en-GB"), "16 Nov 2025");
});

test("a time has two digits each", () => {
  assert.equal(clockLabel(new Date(2026, 10, 23, 9, 5), "en-GB"), "09:05");
});
