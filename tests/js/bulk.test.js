import assert from "node:assert/strict";
import { test } from "node:test";

import { undoing } from "../../static/js/inbox/on_demand/bulk.js";

const before = { status: "open", snoozed_until: null, assignee_id: null, labels: [1] };

test("a change of many is undone by one request for each earlier state, with the versions after the change", () => {
  const changed = [
    { id: 1, version: 5, before },
    { id: 2, version: 6, before: { ...before, status: "snoozed", snoozed_until: "2026-01-02T09:00:00Z" } },
    { id: 3, version: 7, before },
  ];
  assert.deepEqual(undoing([["status", "resolved"]], changed), [
    { change: [["status", "open"]], conversations: [["conversations.1", "5"], ["conversations.3", "7"]] },
    { change: [["status", "snoozed"], ["snoozed_until", "2026-01-02T09:00:00Z"]], conversations: [["conversations.2", "6"]] },
  ]); // prettier-ignore
  assert.deepEqual(undoing([["assignee_id", "2"]], changed.slice(0, 1)), [
    { change: [["assignee_id", ""]], conversations: [["conversations.1", "5"]] },
  ]);
});

test("a label that a conversation had before is not taken off by undoing, nor one added that it had not", () => {
  const with1 = { id: 1, version: 5, before };
  const without = { id: 2, version: 6, before: { ...before, labels: [] } };
  assert.deepEqual(undoing([["add", "1"]], [with1, without]), [{ change: [["remove", "1"]], conversations: [["conversations.2", "6"]] }]);
  assert.deepEqual(undoing([["remove", "1"]], [with1, without]), [{ change: [["add", "1"]], conversations: [["conversations.1", "5"]] }]);
});
