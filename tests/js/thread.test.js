import assert from "node:assert/strict";
import test from "node:test";

import { continues } from "../../static/js/inbox/thread.js";

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

