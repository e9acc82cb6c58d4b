import assert from "node:assert/strict";
import test from "node:test";

import { detail } from "../../static/js/inbox/indicator.js";
import { commandOf } from "../../static/js/inbox/keys.js";
import { belongs, precedes } from "../../static/js/inbox/list.js";
import { titled } from "../../static/js/inbox/notifications.js";
import { wakeTime } from "../../static/js/inbox/on_demand/snooze.js";

// ---- which rows a view shows

const everything = { status: "open pending snoozed resolved", assignee: "", inbox: "", label: "", q: "", sort: "newest", user: "7" };
const row = { status: "open", assignee: "7", inbox: "1", labels: "3 12", isListed: false };

test("a row belongs to a view if status, assignee and inbox match", () => {
  assert.ok(belongs(row, everything));
  assert.ok(belongs(row, { ...everything, status: "open", assignee: "me", inbox: "1" }));
  assert.ok(belongs(row, { ...everything, assignee: "7" }));
  assert.ok(!belongs(row, { ...everything, status: "pending" }));
  assert.ok(!belongs(row, { ...everything, assignee: "none" }));
  assert.ok(!belongs(row, { ...everything, assignee: "me", user: "8" }));
  assert.ok(!belongs(row, { ...everything, inbox: "2" }));
  assert.ok(belongs({ ...row, assignee: "" }, { ...everything, assignee: "none" }));
  assert.ok(!belongs({ ...row, assignee: "" }, { ...everything, assignee: "me" }));
});

test("spam belongs to its own view alone", () => {
  const spam = { ...row, status: "spam" };
  assert.ok(!belongs(spam, everything));
  assert.ok(!belongs(spam, { ...everything, status: "open" }));
  assert.ok(belongs(spam, { ...everything, status: "spam" }));
  assert.ok(!belongs(row, { ...everything, status: "spam" }));
});

test("a row belongs to the view of each of its labels, and of no label whose number is part of one of theirs", () => {
  assert.ok(belongs(row, { ...everything, label: "3" }));
  assert.ok(belongs(row, { ...everything, label: "12" }));
  assert.ok(!belongs(row, { ...everything, label: "1" }));
  assert.ok(!belongs({ ...row, labels: "" }, { ...everything, label: "3" }));
});

test("a search keeps listed rows that match the rest of the view, and adds none", () => {
  assert.ok(!belongs(row, { ...everything, q: "lamp" }));
  assert.ok(belongs({ ...row, isListed: true }, { ...everything, q: "lamp" }));
  assert.ok(!belongs({ ...row, isListed: true }, { ...everything, q: "lamp", status: "pending" }));
});

test("a queue of waiting customers has only rows whose customer waits", () => {
  const queue = { ...everything, sort: "waiting" };
  assert.ok(belongs({ ...row, waiting: "2026-11-23T17:30:00.000Z" }, queue));
  assert.ok(!belongs({ ...row, waiting: "" }, queue));
  assert.ok(belongs({ ...row, waiting: "" }, everything));
});

/** Ids in the order of the list. */
function sorted(rows, sort) {
  return rows.toSorted((one, other) => (precedes(one, other, sort) ? -1 : 1)).map(({ conversation }) => conversation);
}

test("rows stand in the order of the list, and by their number at the same time", () => {
  const rows = [
    { conversation: "9", at: "2026-11-23T10:00:00.000Z", waiting: "2026-11-23T10:00:00.000Z" },
    { conversation: "10", at: "2026-11-23T10:00:00.000Z", waiting: "2026-11-23T09:00:00.000Z" },
    { conversation: "3", at: "2026-11-23T12:00:00.000Z", waiting: "2026-11-23T08:00:00.000Z" },
  ];
  assert.deepEqual(sorted(rows, "newest"), ["3", "10", "9"]);
  assert.deepEqual(sorted(rows, "oldest"), ["9", "10", "3"]);
  assert.deepEqual(sorted(rows, "waiting"), ["3", "10", "9"]);
  assert.deepEqual(sorted(rows.map((row) => ({ ...row, waiting: rows[0].waiting })), "waiting"), ["3", "9", "10"]);
});

// ---- keys

const page = { inField: false, inList: false };

test("single keys are commands, except in fields and with modifiers", () => {
  assert.equal(commandOf({ key: "j" }, page), "next");
  assert.equal(commandOf({ key: "?" }, page), "help");
  assert.equal(commandOf({ key: "j" }, { ...page, inField: true }), undefined);
  assert.equal(commandOf({ key: "r", ctrlKey: true }, page), undefined);
  assert.equal(commandOf({ key: "toString" }, page), undefined);
});

test("arrow keys are commands in the list only", () => {
  assert.equal(commandOf({ key: "ArrowDown" }, { ...page, inList: true }), "next");
  assert.equal(commandOf({ key: "ArrowDown" }, page), undefined);
});

test("with single keys switched off, only Escape is a command", () => {
  assert.equal(commandOf({ key: "j" }, page, false), undefined);
  assert.equal(commandOf({ key: "Escape" }, page, false), "leave");
});

// ---- snoozing

const monday = new Date(2026, 10, 23, 17, 30);

test("a snooze ends in three hours, tomorrow morning, or on Monday morning", () => {
  assert.deepEqual(wakeTime("hours", monday), new Date(2026, 10, 23, 20, 30));
  assert.deepEqual(wakeTime("tomorrow", monday), new Date(2026, 10, 24, 9, 0));
  assert.deepEqual(wakeTime("week", monday), new Date(2026, 10, 30, 9, 0));
  assert.deepEqual(wakeTime("week", new Date(2026, 10, 22, 8, 0)), new Date(2026, 10, 23, 9, 0)); // from a Sunday
});

// ---- the indicator and the title

test("the indicator's detail is the lag, or the time since the interruption", () => {
  assert.equal(detail("late", { lag: 4.4 }), "by 4 s");
  assert.equal(detail("reconnecting", { seconds: 2 }), "");
  assert.equal(detail("reconnecting", { seconds: 12.7 }), "for 12 s");
  assert.equal(detail("offline", { seconds: 150 }), "for 2 min");
  assert.equal(detail("live", { seconds: 999 }), "");
});

test("the title has the number of unread notifications once", () => {
  assert.equal(titled("Acme", 3), "(3) Acme");
  assert.equal(titled("(3) Acme", 4), "(4) Acme");
  assert.equal(titled("(99+) Acme", 0), "Acme");
  assert.equal(titled("Acme", 100), "(99+) Acme");
});
