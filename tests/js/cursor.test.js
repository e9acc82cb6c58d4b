import assert from "node:assert/strict";
import test from "node:test";

import { compare, isCovered, oldest } from "../../static/js/connector/cursor.js";

test("cursors of one epoch are ordered by time, then by count", () => {
  const inOrder = ["e-9-9", "e-10-0", "e-10-2", "e-10-10", "e-999999999999999-0"];
  for (let i = 1; i < inOrder.length; i++) {
    assert.ok(compare(inOrder[i - 1], inOrder[i]) < 0);
    assert.ok(compare(inOrder[i], inOrder[i - 1]) > 0);
    assert.equal(compare(inOrder[i], inOrder[i]), 0);
  }
});

for (const [one, other] of [["e-1-0", "f-1-0"], ["", "e-1-0"], ["e-1-0", ""], ["e-1", "e-1-0"], ["none-0-0", "e-1-0"]]) {
  test(`"${one}" and "${other}" are not comparable, and neither covers the other`, () => {
    assert.ok(Number.isNaN(compare(one, other)));
    assert.ok(!isCovered(one, other));
  });
}

test("an event at or before the cursor is covered", () => {
  assert.ok(isCovered("e-5-0", "e-5-0"));
  assert.ok(isCovered("e-4-9", "e-5-0"));
  assert.ok(!isCovered("e-5-1", "e-5-0"));
});

test("oldest() ignores empty cursors", () => {
  assert.equal(oldest(["", "e-5-0", "e-3-1", "", "e-4-0"]), "e-3-1");
  assert.equal(oldest(["", undefined]), "");
  assert.equal(oldest([]), "");
});

test("oldest() ignores cursors of another epoch than the first", () => {
  assert.equal(oldest(["e-5-0", "f-3-1", "e-4-0"]), "e-4-0");
});
