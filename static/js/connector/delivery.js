/**
 * How events come through what is between the page and the server: streamed, or by long polling where a proxy holds
 * responses back until they are complete; and the age at which a proxy cuts streams. docs/connector.md has the states.
 */

/** @import { DeliveryMemory, DeliveryOptions } from "./types" */

const OPENING = [5_000, 60_000]; // ms in which a stream opens: at first, and at most, after it was taken for held back
const WAIT = 10; // s of a request of long polling
const FIRST_WAIT = 1; // s of the first one, which shows whether a complete response comes through
const TRIAL = [60_000, 1_800_000]; // ms until streaming is tried again: at first, and at most
const AGES = [10_000, 600_000]; // ms of a stream that a proxy may have cut by its age
const SIMILAR = 0.1; // by which two such ages differ at most
const MARGIN = 0.9; // of the age, at which the connector reconnects by itself
const RENEWALS = 20; // after which a stream is left open, for the limit may be gone

export class Delivery {
  #now;
  #storage;
  #key;
  /** @type {"streaming" | "suspected" | "polling" | "trial"} */
  #state = "streaming";
  #opening = OPENING[0];
  #trialDelay = TRIAL[0];
  #trialAt = 0;
  /** @type {number | undefined} the age at which streams are cut, ms */
  #age;
  #lastAge = 0; // of the last stream that was cut
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

  /** ms in which `stream.open` comes, unless something holds it back. */
  get opening() {
    return this.#state === "trial" ? OPENING[0] : this.#opening;
  }

  /** ms after which a stream is opened anew, before it is cut; undefined for no limit. */
  get renewal() {
    if (this.#age === undefined || this.#state !== "streaming" || this.#renewals >= RENEWALS) return undefined;
    return this.#age * MARGIN;
  }

  /** `stream.open` has come. */
  opened() {
    if (this.#state === "suspected") this.#poll(TRIAL[0]);
    if (this.#state === "trial") this.#stream();
  }

  /** Nothing has come, though the server answers other requests. */
  heldBack() {
    if (this.#state === "streaming") this.#state = "suspected";
    if (this.#state === "trial") this.#poll(Math.min(this.#trialDelay * 2, TRIAL[1]));
  }

  /** A request of long polling has ended without `stream.open`: it is the server that is silent, not a proxy. */
  silent() {
    if (this.#state !== "suspected") return;
    this.#state = "streaming";
    this.#opening = Math.min(this.#opening * 2, OPENING[1]);
  }

  /** The network has changed, or the link was cut: the way may be another one. */
  interrupted() {
    if (this.#state === "polling") this.#trialAt = this.#now();
  }

  /** An open stream has lasted for `age` ms, and was cut without `stream.closed`. @param {number} age */
  cut(age) {
    if (this.#state !== "streaming" || age < AGES[0] || age > AGES[1]) return;
    if (Math.abs(age - this.#lastAge) <= SIMILAR * age) this.#age = Math.min(age, this.#lastAge);
    this.#lastAge = age;
    this.#renewals = 0;
    this.#save();
  }

  /** A stream was opened anew because of its age. */
  renewed() {
    this.#renewals++;
  }

  /** A stream has lasted for `age` ms. @param {number} age */
  lasted(age) {
    if (this.#age === undefined || age < this.#age * (1 + SIMILAR)) return;
    this.#age = undefined;
    this.#lastAge = this.#renewals = 0;
    this.#save();
  }

  /** @param {number} delay  ms until streaming is tried again */
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
      // full, or forbidden: the page finds out again
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
    return undefined; // a browser may forbid it
  }
}

/** @param {string} url */
function originOf(url) {
  const base = globalThis.location?.href;
  return URL.canParse(url, base) ? new URL(url, base).origin : "";
}
