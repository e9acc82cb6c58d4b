import assert from "node:assert/strict";
import test from "node:test";

import { uuid } from "../../static/js/inbox/uuid.js";

const VERSION_4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

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

