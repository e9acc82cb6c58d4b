import assert from "node:assert/strict";
import test from "node:test";

import { isAction, isKnown } from "../../static/js/connector/turbo.js";

test("what is older or the same is known", () => {
  assert.ok(isKnown("5", "4"));
  assert.ok(isKnown("5", "5"));
});

test("what is newer is not known", () => {
  assert.ok(!isKnown("5", "6"));
});

test("versions are compared as numbers", () => {
  assert.ok(isKnown("10", "9"));
  assert.ok(!isKnown("9", "10"));
});

for (const missing of [undefined, "", "x", "1.5"]) {
  test(`a version of ${JSON.stringify(missing)} is none, and the newcomer wins`, () => {
    assert.ok(!isKnown(missing, "1"));
    assert.ok(!isKnown("1", missing));
  });
}

test("the seven actions are known, and nothing that objects inherit", () => {
  for (const action of ["append", "prepend", "replace", "update", "remove", "before", "after"]) assert.ok(isAction(action));
  for (const action of ["toString", "constructor", "refresh", "", null]) assert.ok(!isAction(action));
});
