/** Parses an event stream: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream */

/** @import { ParsedEvent } from "../types" */

const LINE_END = /\r\n?|\n/g;

export class EventParser {
  #decoder = new TextDecoder(); // drops one byte order mark, and keeps a character that is not complete yet
  /** @type {string[]} of the line that has not ended yet: joined once, however many chunks it comes in */
  #line = [];
  #afterCr = false; // a line feed that follows is of the same line end
  #type = "";
  /** @type {string[]} */
  #data = [];
  #id;
  #lastEventId;
  /** @type {number | undefined} */
  #retry;

  /** @param {string} [lastEventId]  of the stream before, which browsers keep */
  constructor(lastEventId = "") {
    this.#id = this.#lastEventId = lastEventId;
  }

  /** Of the last complete event. */
  get lastEventId() {
    return this.#lastEventId;
  }

  /** ms, the last that the stream has asked for. */
  get retry() {
    return this.#retry;
  }

  /**
   * The events that these bytes complete.
   *
   * @param {Uint8Array} bytes
   * @returns {Generator<ParsedEvent>}
   */
  *feed(bytes) {
    let text = this.#decoder.decode(bytes, { stream: true });
    if (text === "") return;
    if (this.#afterCr && text[0] === "\n") text = text.slice(1);
    this.#afterCr = text.endsWith("\r");
    let start = 0;
    for (const { 0: lineEnd, index } of text.matchAll(LINE_END)) {
      this.#line.push(text.slice(start, index));
      start = index + lineEnd.length;
      const line = this.#line.join("");
      this.#line = [];
      if (line !== "") this.#interpret(line);
      else yield* this.#dispatch();
    }
    if (start < text.length) this.#line.push(text.slice(start));
  }

  /** @param {string} line */
  #interpret(line) {
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#type = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^[0-9]+$/.test(value)) this.#retry = Number(value);
  }

  /** @returns {Generator<ParsedEvent>} */
  *#dispatch() {
    const [type, data] = [this.#type || "message", this.#data];
    this.#lastEventId = this.#id;
    this.#type = "";
    this.#data = [];
    if (data.length > 0) yield { type, data: data.join("\n"), lastEventId: this.#id };
  }
}
