import assert from "node:assert/strict";
import { test } from "node:test";

import { entriesOf, matches } from "../../static/js/inbox/on_demand/palette.js";

test("a command matches the beginnings of its words in any order, case and accent", () => {
  for (const query of ["", "status", "sta res", "RES sta", "résolved"]) assert.ok(matches("Status: Resolved", query), query);
  for (const query of ["tatus", "status x", "resolvedx"]) assert.ok(!matches("Status: Resolved", query), query);
});

test("signs between words count neither in a command nor in a query, and signs alone match nothing", () => {
  for (const query of ["status: res", "Status:", "- resolved"]) assert.ok(matches("Status: Resolved", query), query);
  assert.ok(matches("Assignee: Anne-Marie O’Neil", "anne-marie o'n"));
  for (const query of ["#", "-", ": "]) assert.ok(!matches("Status: Resolved", query), query);
});

test("a contact whose whole address was searched for is found", () => {
  const contact = { id: 3, name: "Yuki Tanaka", email: "yuki.t@example.com" };
  const entries = entriesOf({ viewQuery: "" }, [{ id: 7, contact, last_message: null }], "yuki.t@example.com");
  assert.deepEqual(entries.map(({ href }) => href), ["/conversations/7", "/contacts/3"]);
});

test("what a search finds are its conversations, then once each contact whose name or address was meant", () => {
  const contact = { id: 3, name: "Yuki Tanaka", email: "yuki@example.com" };
  const found = [
    { id: 7, contact, last_message: { preview: "Thanks" } },
    { id: 9, contact, last_message: null },
    { id: 8, contact: { id: 4, name: "", email: null }, last_message: { preview: "Is Yuki there?" } },
  ];
  assert.deepEqual(entriesOf({ viewQuery: "?status=any" }, found, "yuki"), [
    { words: "Yuki Tanaka", note: "#7 Thanks", href: "/conversations/7?status=any" },
    { words: "Yuki Tanaka", note: "#9", href: "/conversations/9?status=any" },
    { words: "Unknown", note: "#8 Is Yuki there?", href: "/conversations/8?status=any" },
    { words: "Contact: Yuki Tanaka", note: "yuki@example.com", href: "/contacts/3" },
  ]);
});
