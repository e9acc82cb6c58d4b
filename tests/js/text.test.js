import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { typingLine } from "../../static/js/inbox/typing.js";
import { isBlank, isolated } from "../../static/js/inbox/text.js";

/** @type {Record<string, [string, string]>} */
const cases = JSON.parse(readFileSync(new URL("../isolated.json", import.meta.url), "utf8"));

for (const [name, [text, expected]] of Object.entries(cases)) {
  test(`a text's directions end with it: ${name}`, () => assert.equal(isolated(text), expected));
}

test("a text of invisible characters is blank", () => {
  for (const text of ["", " \n", "\u200b\u2060\ufeff", "\u202e\u2069", "\u3164", "\u2800", "\x01"]) assert.ok(isBlank(text));
  for (const text of ["a", "\u200bא", "❤\ufe0f", "👨\u200d👩", "\u06dd"]) assert.ok(!isBlank(text));
});

test("a typist's name does not turn the line around", () => {
  const typist = { name: "Ada\u202e", private: false };
  assert.equal(typingLine([typist]), "\u2068Ada\u202e\u2069 is typing…");
  assert.equal(typingLine([{ ...typist, name: "Ada" }]), "Ada is typing…");
});
