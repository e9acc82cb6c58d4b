import assert from "node:assert/strict";
import { test } from "node:test";

import { changeOf } from "../../static/js/inbox/on_demand/undo.js";

const before = { status: "open", until: "", assignee: "" };
const changed = { id: 5, status: "open", snoozed_until: null, assignee: null, version: 9 };

test("a changed status is undone by the earlier one, a snooze with its time", () => {
  const resolved = changeOf(before, { ...changed, status: "resolved" }, "2");
  assert.deepEqual(resolved, { words: "Resolved.", action: "status", fields: { status: "open" } });
  const snoozed = { ...before, status: "snoozed", until: "2026-01-02T09:00:00Z" };
  assert.deepEqual(changeOf(snoozed, changed, "2")?.fields, { status: "snoozed", snoozed_until: "2026-01-02T09:00:00Z" });
  const longer = { ...changed, status: "snoozed", snoozed_until: "2026-01-09T09:00:00Z" };
  assert.deepEqual(changeOf(snoozed, longer, "2")?.fields, { status: "snoozed", snoozed_until: "2026-01-02T09:00:00Z" });
});

test("a changed assignee is undone by the earlier one, or by nobody", () => {
  const mine = changeOf(before, { ...changed, assignee: { id: 2, name: "Kevin" } }, "2");
  assert.deepEqual(mine, { words: "Assigned to you.", action: "assignee", fields: { assignee_id: "" } });
  const nobodys = changeOf({ ...before, assignee: "2" }, changed, "2");
  assert.deepEqual(nobodys, { words: "Assigned to nobody.", action: "assignee", fields: { assignee_id: "2" } });
});

test("what has not changed is not offered to be undone", () => {
  assert.equal(changeOf(before, changed, "2"), null);
});
