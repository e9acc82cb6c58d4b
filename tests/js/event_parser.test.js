/** https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation; tests/conformance has more. */

import assert from "node:assert/strict";
import test from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { EventParser } from "../../static/js/connector/visitor/event_parser.js";

const bytes = (text) => new TextEncoder().encode(text);

/** The events of a stream that arrives in the given chunks, texts or bytes. */
function parsed(...chunks) {
  const parser = new EventParser();
  return chunks.flatMap((chunk) => [...parser.feed(typeof chunk === "string" ? bytes(chunk) : chunk)]);
}

const event = (data, type = "message", lastEventId = "") => ({ type, data, lastEventId });

for (const [what, stream, ...events] of [
  // The specification's own examples.
  ["two lines of data and a comment", "data: YHOO\ndata: +2\ndata: 10\n\n", event("YHOO\n+2\n10")],
  ["four blocks", ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n",
    event("first event", "message", "1"), event("second event")],
  ["empty data", "data\n\ndata\ndata\n\ndata:", event(""), event("\n")],
  ["one space after the colon is removed, and only one", "data:test\n\ndata: test\n\ndata:  test\n\n", event("test"), event("test"), event(" test")],
  // And its rules.
  ["a byte order mark at the start", "\ufeffdata: a\n\n", event("a")],
  ["a second byte order mark, which is of the field's name", "\ufeff\ufeffdata: a\n\ndata: b\n\n", event("b")],
  ["LF, CR and CRLF", "data: a\rdata: b\r\ndata: c\n\r\ndata: d\r\rdata: e\n\n", event("a\nb\nc"), event("d"), event("e")],
  ["comments", ":\n: data: a\n:data: b\ndata: c\n:\n\n", event("c")],
  ["an unknown field, and one in other case", "foo: a\nDATA: b\n data: c\ndata : d\ndata: e\n\n", event("e")],
  ["a type, of one event", "event: x\ndata: a\n\ndata: b\n\nevent: y\nevent\ndata: c\n\n", event("a", "x"), event("b"), event("c")],
  ["a type without data, which is of no later event", "event: x\n\ndata: a\n\n", event("a")],
  ["an id, which is that of later events too", "id: 1\ndata: a\n\ndata: b\n\n", event("a", "message", "1"), event("b", "message", "1")],
  ["an id with NUL, which is ignored", "id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n", event("a", "message", "1"), event("b", "message", "1")],
  ["an id without data", "id: 1\n\ndata: a\n\n", event("a", "message", "1")],
  ["NUL in data", "data: a\0b\n\n", event("a\0b")],
  ["an event that is not complete at the end", "data: a\n\ndata: b\n", event("a")],
  ["a line that is not complete at the end", "data: a\n\ndata: b", event("a")],
]) {
  test(`${what}, in one chunk, in single bytes and in any two chunks`, () => {
    assert.deepEqual(parsed(stream), events);
    const all = bytes(stream);
    assert.deepEqual(parsed(...[...all].map((_, i) => all.subarray(i, i + 1))), events);
    for (let cut = 0; cut <= all.length; cut++) {
      assert.deepEqual(parsed(all.subarray(0, cut), all.subarray(cut)), events, `cut at ${cut}`);
    }
  });
}

test("a CR at the end of a chunk completes the event at once, and an LF that follows is of the same line end", () => {
  const parser = new EventParser();
  assert.deepEqual([...parser.feed(bytes("data: a\r\n\r"))], [event("a")]);
  assert.deepEqual([...parser.feed(bytes("\n"))], []);
  assert.deepEqual([...parser.feed(bytes("\ndata: b\n\n"))], [event("b")]);
});

test("characters of several bytes arrive whole, wherever a chunk ends", () => {
  const all = bytes("data: é😀\u2028\n\n");
  for (let cut = 0; cut <= all.length; cut++) {
    assert.deepEqual(parsed(all.subarray(0, cut), all.subarray(cut)), [event("é😀\u2028")]);
  }
});

test("bytes that are no UTF-8 are replaced", () => {
  assert.deepEqual(parsed(bytes("data: a"), Uint8Array.of(0xff, 0xc3), bytes("b\n\n")), [event("a\ufffd\ufffdb")]);
});

test("retry counts if it is ASCII digits alone", () => {
  const parser = new EventParser();
  const after = (text) => ([...parser.feed(bytes(text))], parser.retry);
  assert.equal(after("data: a\n\n"), undefined);
  assert.equal(after("retry: 1500\n"), 1500);
  for (const bad of ["1e3", "-1", "1.5", "", " 5", "5s", "٣"]) assert.equal(after(`retry: ${bad}\n`), 1500);
  assert.equal(after("retry:0\n"), 0);
});

test("lastEventId is the id of the last complete event", () => {
  const parser = new EventParser("e-1-0");
  assert.deepEqual([...parser.feed(bytes("data: a\n\n"))], [event("a", "message", "e-1-0")]);
  assert.deepEqual([...parser.feed(bytes("id: e-1-1\n"))], []);
  assert.equal(parser.lastEventId, "e-1-0");
  assert.deepEqual([...parser.feed(bytes("\n"))], []);
  assert.equal(parser.lastEventId, "e-1-1");
});

test("the time for a line grows with its length, not with its square, however small the chunks are", () => {
  const chunk = bytes("x".repeat(64));
  const seconds = (chunks) => {
    const parser = new EventParser();
    const begin = performance.now();
    for (let n = 0; n < chunks; n++) for (const _ of parser.feed(chunk));
    return (performance.now() - begin) / 1000;
  };
  seconds(10_000); // compiled by now
  const [small, large] = [10_000, 100_000].map((count) => Math.min(...[1, 2, 3].map(() => seconds(count))));
  assert.ok(large < 40 * small, `${small} s, ${large} s`); // the square would be 100
});

test("a long stream leaves nothing behind", () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc");
  const parser = new EventParser();
  const chunk = bytes(`id: 1\ndata: ${"x".repeat(10_000)}\n\n: comment\n\n`);
  const used = (count) => {
    for (let n = 0; n < count; n++) for (const _ of parser.feed(chunk));
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const before = used(100);
  assert.ok(used(20_000) - before < 2_000_000); // of 200 MB
});
