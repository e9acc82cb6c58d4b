import assert from "node:assert/strict";
import test from "node:test";

import { Cached, filled, matchingReplies } from "../../static/js/inbox/on_demand/canned_replies.js";
import { shortcutAt } from "../../static/js/inbox/on_demand/shortcuts.js";

test("a shortcut is the text between a slash and the caret, at the beginning or after white space", () => {
  assert.deepEqual(shortcutAt("/", 1), { from: 0, query: "" });
  assert.deepEqual(shortcutAt("Well, /he", 9), { from: 6, query: "he" });
  assert.deepEqual(shortcutAt("Well,\n/zoë-1_x and", 14), { from: 6, query: "zoë-1_x" });
});

test("a path, a fraction, an address, a closed slash and a text of two words are no shortcut", () => {
  for (const text of ["a/b", "1/2", "https://x", "//x", "/a/b", "/he llo", "no slash", ""]) {
    assert.equal(shortcutAt(text, text.length), null, text);
  }
  assert.equal(shortcutAt("/hello", 0), null);
});

const replies = [
  { id: 1, shortcut: "bye", content: "Kind regards" },
  { id: 2, shortcut: "hello", content: "Hello {{contact.first_name}}" },
  { id: 3, shortcut: "late-parcel", content: "Höflich, byzantine" },
];
const found = (query) => matchingReplies(replies, query).map(({ shortcut }) => shortcut);

test("a reply matches by the beginning of its shortcut, then of a word of it or of the text", () => {
  assert.deepEqual(found(""), ["bye", "hello", "late-parcel"]);
  assert.deepEqual(found("by"), ["bye", "late-parcel"]);
  assert.deepEqual(found("PARCEL"), ["late-parcel"]);
  assert.deepEqual(found("regards"), ["bye"]);
  assert.deepEqual(found("hÖ"), ["late-parcel"]);
  assert.deepEqual(found("egards"), []);
});

test("at most six replies are shown", () => {
  const many = Array.from({ length: 20 }, (_, n) => ({ id: n, shortcut: `x${n}`, content: "x" }));
  assert.equal(matchingReplies(many, "x").length, 6);
});

const values = { "contact.name": "Ann", "agent.name": "{{contact.name}} $& $1", "contact.email": "" };

test("variables are replaced, wherever they stand and with spaces inside", () => {
  assert.deepEqual(filled("{{contact.name}}, {{ contact.name }}!", values), { text: "Ann, Ann!", missing: [] });
});

test("a value is text: what looks like a variable or a pattern in it stays", () => {
  assert.deepEqual(filled("I am {{agent.name}}.", values), { text: "I am {{contact.name}} $& $1.", missing: [] });
});

test("variables that are unknown or have no value stay, and their places are those in the result", () => {
  const content = "{{contact.name}}: {{contact.email}} {{toString}} {{ Order.Number }} {{}} {single} {{open";
  const { text, missing } = filled(content, values);
  assert.equal(text, "Ann: {{contact.email}} {{toString}} {{ Order.Number }} {{}} {single} {{open");
  const places = missing.map(({ start, end }) => text.slice(start, end));
  assert.deepEqual(places, ["{{contact.email}}", "{{toString}}", "{{ Order.Number }}", "{{}}"]);
});

test("replies are loaded once, and again after a minute while the older ones serve", async () => {
  let now = 0;
  let loads = 0;
  const cached = new Cached(async () => ++loads, () => now);
  const [one, other] = [cached.get(), cached.get()];
  assert.ok(one instanceof Promise);
  assert.deepEqual([await one, await other, loads], [1, 1, 1]);
  now = 60_000;
  assert.deepEqual([cached.get(), loads], [1, 1]);
  now = 60_001;
  assert.deepEqual([cached.get(), cached.get(), loads], [1, 1, 2]);
  await new Promise(setImmediate);
  assert.equal(cached.get(), 2);
});

test("a failed load is an error once, and is tried again; later failures keep the older replies", async () => {
  let now = 0;
  let fails = true;
  const cached = new Cached(async () => (fails ? Promise.reject(new Error("away")) : "replies"), () => now);
  await assert.rejects(cached.get());
  fails = false;
  assert.equal(await cached.get(), "replies");
  fails = true;
  now = 120_000;
  assert.equal(cached.get(), "replies");
  await new Promise(setImmediate);
  assert.equal(cached.get(), "replies");
});
