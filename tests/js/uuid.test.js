import assert from "node:assert/strict";
import test from "node:test";

import { uuid } from "../../static/js/inbox/uuid.js";

const VERSION_4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("uuid() uses crypto.randomUUID where it exists", () => {
  assert.equal(uuid({ randomUUID: () => "made" }), "made");
});

test("uuid() is made of random bytes on plain HTTP", () => {
  const insecure = { getRandomValues: (bytes) => globalThis.crypto.getRandomValues(bytes) };
  const made = new Set(Array.from({ length: 200 }, () => uuid(insecure)));

  assert.equal(made.size, 200);
  for (const id of made) assert.match(id, VERSION_4);
});

test("uuid() keeps version and variant with extreme bytes", () => {
  assert.match(uuid({ getRandomValues: (bytes) => bytes.fill(0) }), VERSION_4);
  assert.match(uuid({ getRandomValues: (bytes) => bytes.fill(255) }), VERSION_4);
});

