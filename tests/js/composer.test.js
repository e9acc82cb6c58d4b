import assert from "node:assert/strict";
import test from "node:test";

import { roomLeft, sends } from "../../static/js/inbox/composer.js";
import { whenLabel } from "../../static/js/inbox/on_demand/answers.js";
import { matching, mentionAt } from "../../static/js/inbox/on_demand/mentions.js";
import { TypingNotifier, typingLine } from "../../static/js/inbox/typing.js";

test("Enter sends the message", () => {
  assert.ok(sends({ key: "Enter" }));
});

test("Shift+Enter, an input method's Enter, another key, and Enter on a touch screen send nothing", () => {
  assert.ok(!sends({ key: "Enter", shiftKey: true }));
  assert.ok(!sends({ key: "Enter", isComposing: true }));
  assert.ok(!sends({ key: "Enter", keyCode: 229 }));
  assert.ok(!sends({ key: "a" }));
  assert.ok(!sends({ key: "Enter" }, true));
});

// ---- room

test("the composer shows the characters left when 1000 or fewer of 10 000 are left", () => {
  assert.equal(roomLeft("x".repeat(8_999)), "");
  assert.equal(roomLeft("x".repeat(9_000)), "1000 characters left");
  assert.equal(roomLeft("x".repeat(9_999)), "1 character left");
  assert.equal(roomLeft("😀".repeat(9_999)), "1 character left"); // as the server counts
});

// ---- who answered

test("an answer of just now, of minutes ago, and of hours ago is told in words", () => {
  const ago = (minutes) => new Date(Date.now() - minutes * 60_000);
  assert.equal(whenLabel(ago(0)), "just now");
  assert.equal(whenLabel(ago(5.5)), "5 min ago");
  assert.match(whenLabel(ago(3_000)), /^\(.+\)$/); // never "Mon ago"
});

// ---- mentions

test("a mention is the text between the last @ and the caret", () => {
  assert.deepEqual(mentionAt("Ask @Ad", 7), { from: 4, query: "Ad" });
  assert.deepEqual(mentionAt("@", 1), { from: 0, query: "" });
  assert.deepEqual(mentionAt("@Ada Lo", 7), { from: 0, query: "Ada Lo" });
  assert.deepEqual(mentionAt("(@Zoë", 5), { from: 1, query: "Zoë" });
});

test("an email address, a word without @, and a text of three words are no mention", () => {
  assert.equal(mentionAt("me@ada", 6), null);
  assert.equal(mentionAt("Ada", 3), null);
  assert.equal(mentionAt("@Ada is here", 12), null);
});

test("a name matches by the beginning of one of its words, ignoring case", () => {
  const names = ["Ada Lovelace", "Grace Hopper", "Kevin"];
  assert.deepEqual(matching(names, "lo"), ["Ada Lovelace"]);
  assert.deepEqual(matching(names, "GRACE h"), ["Grace Hopper"]);
  assert.deepEqual(matching(names, ""), names);
  assert.deepEqual(matching(names, "da"), []);
});

// ---- typing

function setUp() {
  const sent = [];
  const clock = { now: 0 };
  return { sent, clock, notifier: new TypingNotifier((data) => sent.push(data), () => clock.now) };
}

test("typing is sent at once, and repeated every three seconds", () => {
  const { sent, clock, notifier } = setUp();
  for (clock.now = 0; clock.now < 6_500; clock.now += 100) notifier.typed("text", false);
  assert.deepEqual(sent, Array(3).fill({ typing: true, private: false }));
});

test("an emptied field sends the end of typing once", () => {
  const { sent, notifier } = setUp();
  notifier.typed(" ", false);
  assert.deepEqual(sent, []);
  notifier.typed("t", true);
  notifier.typed("", true);
  notifier.stop();
  assert.deepEqual(sent, [{ typing: true, private: true }, { typing: false, private: true }]);
});

test("a reply that becomes a note is sent at once", () => {
  const { sent, notifier } = setUp();
  notifier.typed("t", false);
  notifier.typed("t", true);
  assert.deepEqual(sent.at(-1), { typing: true, private: true });
});

test("a sent message needs no end of typing, and the next word is sent at once", () => {
  const { sent, notifier } = setUp();
  notifier.typed("t", false);
  notifier.sent();
  notifier.stop();
  notifier.typed("n", false);
  assert.deepEqual(sent.map(({ typing }) => typing), [true, true]);
});

test("the typing line names the typists, and says \"a note\" when all of them write notes", () => {
  const [ada, kevin, grace, zoe] = ["Ada", "Kevin", "Grace", "Zoe"].map((name) => ({ name, private: false }));
  assert.equal(typingLine([]), "");
  assert.equal(typingLine([ada]), "Ada is typing…");
  assert.equal(typingLine([ada, kevin]), "Ada and Kevin are typing…");
  assert.equal(typingLine([ada, kevin, grace]), "Ada, Kevin and Grace are typing…");
  assert.equal(typingLine([ada, kevin, grace, zoe]), "Ada, Kevin and 2 others are typing…");
  assert.equal(typingLine([{ ...ada, private: true }]), "Ada is typing a note…");
  assert.equal(typingLine([{ ...ada, private: true }, kevin]), "Ada and Kevin are typing…");
});
