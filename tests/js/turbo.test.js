import assert from "node:assert/strict";
import test from "node:test";

import { isAction, isStale } from "../../static/js/connector/turbo.js";

test("an older or equal version is stale", () => {
  assert.ok(isStale("5", "4"));
  assert.ok(isStale("5", "5"));
});

test("a newer version is not stale", () => {
  assert.ok(!isStale("5", "6"));
});

test("versions are compared as numbers", () => {
  assert.ok(isStale("10", "9"));
  assert.ok(!isStale("9", "10"));
});

for (const missing of [undefined, "", "x", "1.5"]) {
  test(`with a version of ${JSON.stringify(missing)}, nothing is stale`, () => {
    assert.ok(!isStale(missing, "1"));
    assert.ok(!isStale("1", missing));
  });
}

test("isAction() accepts the seven actions, and no inherited property", () => {
  for (const action of ["append", "prepend", "replace", "update", "remove", "before", "after"]) assert.ok(isAction(action));
  for (const action of ["toString", "constructor", "refresh", "", null]) assert.ok(!isAction(action));
});
