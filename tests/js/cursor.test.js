import assert from "node:assert/strict";
import test from "node:test";

import { compare, isKnown, oldest } from "../../static/js/connector/cursor.js";

test("within an epoch time decides, then the count", () => {
  const inOrder = ["e-9-9", "e-10-0", "e-10-2", "e-10-10", "e-999999999999999-0"];
  for (let i = 1; i < inOrder.length; i++) {
    assert.ok(compare(inOrder[i - 1], inOrder[i]) < 0);
    assert.ok(compare(inOrder[i], inOrder[i - 1]) > 0);
    assert.equal(compare(inOrder[i], inOrder[i]), 0);
  }
});

for (const [one, other] of [["e-1-0", "f-1-0"], ["", "e-1-0"], ["e-1-0", ""], ["e-1", "e-1-0"], ["none-0-0", "e-1-0"]]) {
  test(`"${one}" and "${other}" can't be compared, so neither is known to the other`, () => {
    assert.ok(Number.isNaN(compare(one, other)));
    assert.ok(!isKnown(one, other));
  });
}

test("what is at the cursor or before it is known", () => {
  assert.ok(isKnown("e-5-0", "e-5-0"));
  assert.ok(isKnown("e-4-9", "e-5-0"));
  assert.ok(!isKnown("e-5-1", "e-5-0"));
});

test("the oldest is found among those that there are", () => {
  assert.equal(oldest(["", "e-5-0", "e-3-1", "", "e-4-0"]), "e-3-1");
  assert.equal(oldest(["", undefined]), "");
  assert.equal(oldest([]), "");
});

test("a cursor of another epoch does not count", () => {
  assert.equal(oldest(["e-5-0", "f-3-1", "e-4-0"]), "e-4-0");
});
