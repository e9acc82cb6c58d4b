import assert from "node:assert/strict";
import test from "node:test";

import { randomId } from "../../static/js/inbox/random_id.js";

test("random ids are different, and short enough for a client_id", () => {
  const made = new Set(Array.from({ length: 1000 }, randomId));
  assert.equal(made.size, 1000);
  for (const id of made) assert.match(id, /^[0-9a-z-]{7,31}$/);
});

test("a random id has 128 bits: each of its four parts differs from one to the next", () => {
  const parts = Array.from({ length: 100 }, () => randomId().split("-"));
  for (let at = 0; at < 4; at++) assert.equal(new Set(parts.map((all) => all[at])).size, 100);
});
