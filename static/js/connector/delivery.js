/** Whether events are streamed, or come by long polling. docs/connector.md has the states. */

/** @import { DeliveryMemory, DeliveryOptions } from "./types" */

const OPENING = [5_000, 60_000]; // ms for stream.open: at first, at most
const WAIT = 10; // s
const FIRST_WAIT = 1; // s of the first request, which shows whether a complete response comes through
const TRIAL = [60_000, 1_800_000]; // ms until streaming is tried again: at first, at most
const AGES = [10_000, 600_000]; // ms at which a proxy may cut every stream
const SIMILAR = 0.1;
const MARGIN = 0.9; // of that age: the connector is faster
const RENEWALS = 20; // after which one stream is left open

export class Delivery {
  #now;
  #storage;
  #key;
  /** @type {"streaming" | "suspected" | "polling" | "trial"} */
  #state = "streaming";
  #opening = OPENING[0];
  #trialDelay = TRIAL[0];
  #trialAt = 0;
  /** @type {number | undefined} */
  #age;
  #lastAge = 0; // of a stream that was cut
  #renewals = 0;

  /** @param {DeliveryOptions} options */
  constructor({ url = "/streams", now = Date.now, storage = storageOf(globalThis) } = {}) {
    this.#now = now;
    this.#storage = storage;
    this.#key = `rtapp delivery ${originOf(url)}`;
    this.#remember();
  }

  /** Seconds for which the next request waits; 0 to stream. */
  begin() {
    if (this.#state === "polling" && this.#now() >= this.#trialAt) this.#state = "trial";
    if (this.#state === "suspected") return FIRST_WAIT;
    return this.#state === "polling" ? WAIT : 0;
  }

  get isTrial() {
    return this.#state === "trial";
  }

  get isDelayed() {
    return this.#state === "polling" || this.#state === "trial";
  }

  get opening() {
    return this.#state === "trial" ? OPENING[0] : this.#opening;
  }

  /** ms after which a stream is opened anew, before it is cut. */
  get renewal() {
    if (this.#age === undefined || this.#state !== "streaming" || this.#renewals >= RENEWALS) return undefined;
    return this.#age * MARGIN;
  }

  opened() {
    if (this.#state === "suspected") this.#poll(TRIAL[0]);
    if (this.#state === "trial") this.#stream();
  }

  /** Nothing has come, though the server answers other requests. */
  heldBack() {
    if (this.#state === "streaming") this.#state = "suspected";
    if (this.#state === "trial") this.#poll(Math.min(this.#trialDelay * 2, TRIAL[1]));
  }

  /** Long polling brought nothing either: it is the server. */
  silent() {
    if (this.#state !== "suspected") return;
    this.#state = "streaming";
    this.#opening = Math.min(this.#opening * 2, OPENING[1]);
  }

  /** The way may be another one. */
  interrupted() {
    if (this.#state === "polling") this.#trialAt = this.#now();
  }

  /** @param {number} age  ms of an open stream that was cut */
  cut(age) {
    if (this.#state !== "streaming" || age < AGES[0] || age > AGES[1]) return;
    if (Math.abs(age - this.#lastAge) <= SIMILAR * age) this.#age = Math.min(age, this.#lastAge);
    this.#lastAge = age;
    this.#renewals = 0;
    this.#save();
  }

  renewed() {
    this.#renewals++;
  }

  /** @param {number} age  ms of a stream that was closed here */
  lasted(age) {
    if (this.#age === undefined || age < this.#age * (1 + SIMILAR)) return;
    this.#age = undefined;
    this.#lastAge = this.#renewals = 0;
    this.#save();
  }

  /** @param {number} delay  ms */
  #poll(delay) {
    this.#state = "polling";
    this.#trialDelay = delay;
    this.#trialAt = this.#now() + delay;
    this.#save();
  }

  #stream() {
    this.#state = "streaming";
    this.#opening = OPENING[0];
    this.#trialDelay = TRIAL[0];
    this.#save();
  }

  #remember() {
    const { delay, age } = /** @type {DeliveryMemory} */ (parse(this.#storage?.getItem(this.#key)));
    if (isWithin(age, AGES)) this.#age = this.#lastAge = age;
    if (isWithin(delay, TRIAL)) this.#poll(delay);
  }

  #save() {
    /** @type {DeliveryMemory} */
    const memory = { age: this.#age, delay: this.isDelayed ? this.#trialDelay : undefined };
    try {
      if (memory.age === undefined && memory.delay === undefined) this.#storage?.removeItem(this.#key);
      else this.#storage?.setItem(this.#key, JSON.stringify(memory));
    } catch {
      // The page finds out again.
    }
  }
}

/** @type {(value: unknown, limits: number[]) => value is number} */
function isWithin(value, [least, most]) {
  return typeof value === "number" && value >= least && value <= most;
}

/** @param {string | null | undefined} text */
function parse(text) {
  try {
    return JSON.parse(text ?? "{}") ?? {};
  } catch {
    return {};
  }
}

/** @param {typeof globalThis} page */
function storageOf(page) {
  try {
    return page.localStorage;
  } catch {
    return undefined; // forbidden
  }
}

/** @param {string} url */
function originOf(url) {
  const base = globalThis.location?.href;
  return URL.canParse(url, base) ? new URL(url, base).origin : "";
}
