import assert from "node:assert/strict";
import test from "node:test";

import { continues } from "../../static/js/inbox/arrangement.js";

const message = (changes = {}) => ({
  sender: "contact:9",
  type: "incoming",
  private: "false",
  at: new Date(2026, 10, 23, 14, 5),
  ...changes,
});

test("a message within five minutes of one of the same sender continues its group", () => {
  assert.ok(continues(message(), message({ at: new Date(2026, 10, 23, 14, 10) })));
});

test("another sender, a note, an activity, a pause or a new day starts a new group", () => {
  assert.ok(!continues(message(), message({ sender: "user:9" })));
  assert.ok(!continues(message(), message({ private: "true" })));
  assert.ok(!continues(message(), message({ type: "activity" })));
  assert.ok(!continues(message(), message({ at: new Date(2026, 10, 23, 14, 10, 1) })));
  assert.ok(!continues(message({ at: new Date(2026, 10, 23, 23, 59) }), message({ at: new Date(2026, 10, 24, 0, 1) })));
  assert.ok(!continues(message({ sender: "" }), message({ sender: "" })));
});

