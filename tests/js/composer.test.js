import assert from "node:assert/strict";
import test from "node:test";

import { roomLeft, sends } from "../../static/js/inbox/composer.js";
import { Drafts } from "../../static/js/inbox/drafts.js";
import { matching, mentionAt } from "../../static/js/inbox/mentions.js";
import { Teller, typingLine } from "../../static/js/inbox/typing.js";

test("Enter sends", () => {
  assert.ok(sends({ key: "Enter" }));
});

test("Shift+Enter, an input method's Enter, other keys, and Enter on a touch screen do not", () => {
  assert.ok(!sends({ key: "Enter", shiftKey: true }));
  assert.ok(!sends({ key: "Enter", isComposing: true }));
  assert.ok(!sends({ key: "Enter", keyCode: 229 }));
  assert.ok(!sends({ key: "a" }));
  assert.ok(!sends({ key: "Enter" }, true));
});

// ---- room

test("what is left of 10 000 characters is said when it is little", () => {
  assert.equal(roomLeft("x".repeat(8_999)), "");
  assert.equal(roomLeft("x".repeat(9_000)), "1000 characters left");
  assert.equal(roomLeft("x".repeat(9_999)), "1 character left");
  assert.equal(roomLeft("😀".repeat(9_999)), "1 character left"); // as the server counts
});

// ---- drafts

function storage(entries = {}) {
  const methods = { getItem: (key) => entries[key] ?? null, setItem: (key, value) => (entries[key] = value), removeItem: (key) => delete entries[key] };
  Object.entries(methods).forEach(([name, value]) => Object.defineProperty(entries, name, { value, enumerable: false }));
  return entries;
}

test("a draft comes back as what it was, a note as a note", () => {
  const drafts = new Drafts(storage(), 7);
  drafts.write(1, { content: "Hi", private: true });
  assert.deepEqual(drafts.read(1), { content: "Hi", private: true });
  assert.deepEqual(drafts.read(2), { content: "", private: false });
});

test("another user has other drafts, and an emptied one is gone", () => {
  const kept = storage();
  new Drafts(kept, 7).write(1, { content: "Hi", private: false });
  assert.equal(new Drafts(kept, 8).read(1).content, "");
  new Drafts(kept, 7).write(1, { content: " " });
  assert.deepEqual(Object.keys(kept), []);
});

test("who signs out leaves none of theirs", () => {
  const kept = storage({ "rtapp.draft.8.1": "{}" });
  const drafts = new Drafts(kept, 7);
  drafts.write(1, { content: "Hi", private: false });
  drafts.forget();
  assert.deepEqual(Object.keys(kept), ["rtapp.draft.8.1"]);
});

test("a storage that refuses or has been tampered with is no draft", () => {
  const refuses = { getItem: () => { throw new Error("no"); }, setItem: () => { throw new Error("full"); } };
  new Drafts(refuses, 7).write(1, { content: "Hi", private: false });
  assert.equal(new Drafts(refuses, 7).read(1).content, "");
  for (const text of ["{", "null", '{"content": 5}', "[]"]) {
    assert.deepEqual(new Drafts(storage({ "rtapp.draft.7.1": text }), 7).read(1), { content: "", private: false });
  }
});

// ---- mentions

test("a mention is what follows the last @ before the caret", () => {
  assert.deepEqual(mentionAt("Ask @Ad", 7), { from: 4, query: "Ad" });
  assert.deepEqual(mentionAt("@", 1), { from: 0, query: "" });
  assert.deepEqual(mentionAt("@Ada Lo", 7), { from: 0, query: "Ada Lo" });
  assert.deepEqual(mentionAt("(@Zoë", 5), { from: 1, query: "Zoë" });
});

test("an address, a word without @, and what is three words long are none", () => {
  assert.equal(mentionAt("me@ada", 6), null);
  assert.equal(mentionAt("Ada", 3), null);
  assert.equal(mentionAt("@Ada is here", 12), null);
});

test("names fit by the beginning of a word, in any case", () => {
  const names = ["Ada Lovelace", "Grace Hopper", "Kevin"];
  assert.deepEqual(matching(names, "lo"), ["Ada Lovelace"]);
  assert.deepEqual(matching(names, "GRACE h"), ["Grace Hopper"]);
  assert.deepEqual(matching(names, ""), names);
  assert.deepEqual(matching(names, "da"), []);
});

// ---- typing

function teller() {
  const said = [];
  const clock = { now: 0 };
  return { said, clock, teller: new Teller((data) => said.push(data), () => clock.now) };
}

test("typing is said at once and then once in three seconds", () => {
  const { said, clock, teller: one } = teller();
  for (clock.now = 0; clock.now < 6_500; clock.now += 100) one.typed("text", false);
  assert.deepEqual(said, Array(3).fill({ typing: true, private: false }));
});

test("emptying the field ends it, once", () => {
  const { said, teller: one } = teller();
  one.typed(" ", false);
  assert.deepEqual(said, []);
  one.typed("t", true);
  one.typed("", true);
  one.stop();
  assert.deepEqual(said, [{ typing: true, private: true }, { typing: false, private: true }]);
});

test("a reply that becomes a note is said at once", () => {
  const { said, teller: one } = teller();
  one.typed("t", false);
  one.typed("t", true);
  assert.deepEqual(said.at(-1), { typing: true, private: true });
});

test("what was sent needs no end, and the next word is said at once", () => {
  const { said, teller: one } = teller();
  one.typed("t", false);
  one.sent();
  one.stop();
  one.typed("n", false);
  assert.deepEqual(said.map(({ typing }) => typing), [true, true]);
});

test("the line names who types, and says when they all write notes", () => {
  const [ada, kevin, grace, zoe] = ["Ada", "Kevin", "Grace", "Zoe"].map((name) => ({ name, private: false }));
  assert.equal(typingLine([]), "");
  assert.equal(typingLine([ada]), "Ada is typing…");
  assert.equal(typingLine([ada, kevin]), "Ada and Kevin are typing…");
  assert.equal(typingLine([ada, kevin, grace]), "Ada, Kevin and Grace are typing…");
  assert.equal(typingLine([ada, kevin, grace, zoe]), "Ada, Kevin and 2 others are typing…");
  assert.equal(typingLine([{ ...ada, private: true }]), "Ada is typing a note…");
  assert.equal(typingLine([{ ...ada, private: true }, kevin]), "Ada and Kevin are typing…");
});
