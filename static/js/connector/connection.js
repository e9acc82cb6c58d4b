/**
 * One connection to the server. Unlike a native EventSource, it recovers from an answer other than 200, a silently dead
 * link, sleep and a drain. It resumes from the last cursor.
 */

/** @import { Closed, ConnectionMessage, ConnectionOptions, Source, Timers } from "./types" */

import { Backoff } from "./backoff.js";
import { CALLBACKS } from "./catalogue.js";
import { Delivery } from "./delivery.js";
import { PROBE_TIMEOUT, isRefusal, probe, reach, reasonOf, streamUrl } from "./request.js";

export const HEARTBEAT = 15_000;
const PATIENCE = 2.5; // heartbeats of silence
const WAIT_MARGIN = 15_000; // ms
const LONGEST_WAIT = 3_600_000; // ms; a timer overflows at 2^31
const CLOSED = 2; // EventSource.CLOSED

export class Connection {
  #options;
  #deliver;
  #backoff;
  #delivery;
  #cursor;
  /** @type {Source | null} */
  #source = null;
  /** @type {{at: number, run: () => void, isBackoff: boolean, timer: any} | null} */
  #deadline = null;
  #heartbeat = HEARTBEAT;
  #isOpen = false;
  #hasOpened = false; // of the source, as the next two
  #startedAt = 0; // ms
  #wait = 0; // s
  /** @type {any} */
  #renewal;
  /** @type {string | undefined} */
  #interruption;
  #ended = false;

  /**
   * @param {ConnectionOptions} options
   * @param {(message: ConnectionMessage) => void} deliver
   */
  constructor(options, deliver) {
    this.#options = {
      patience: PATIENCE,
      EventSource: globalThis.EventSource,
      timers: /** @type {Timers} */ (globalThis),
      now: Date.now,
      probe,
      reach,
      ...options,
    };
    this.#deliver = deliver;
    this.#delivery = options.delivery ?? new Delivery(options);
    this.#backoff = options.backoff ?? new Backoff(options);
    this.#cursor = options.cursor ?? "";
    this.#open();
  }

  get cursor() {
    return this.#cursor;
  }

  get isOpen() {
    return this.#isOpen;
  }

  get interruption() {
    return this.#interruption;
  }

  /** Milliseconds until the next message at the latest, if timers run. */
  get due() {
    return this.#deadline ? Math.max(0, this.#deadline.at - this.#options.now()) : PROBE_TIMEOUT;
  }

  /** Delivers no further message. */
  close() {
    this.#ended = true;
    this.#release();
  }

  /** Ends a back-off. */
  retry() {
    this.#delivery.interrupted();
    if (this.#deadline?.isBackoff) this.#open();
  }

  /** Runs what is overdue: timers stop during sleep. */
  wake() {
    if (this.#deadline && this.due === 0) this.#deadline.run();
  }

  #open() {
    this.#release();
    this.#connect();
    this.#notify({ type: "wait", reason: this.#interruption });
  }

  /** Goes on with another request: no interruption. */
  #continue() {
    const isOpen = this.#isOpen;
    this.#release();
    this.#isOpen = isOpen;
    this.#connect();
  }

  #connect() {
    this.#wait = this.#delivery.begin();
    this.#started();
    const url = streamUrl({ ...this.#options, cursor: this.#cursor, wait: this.#wait });
    const source = new this.#options.EventSource(url);
    this.#source = source;
    if (this.#wait) this.#watch();
    else this.#setDeadline(this.#delivery.opening, () => this.#unopened(source, url));
    this.#listen(source, url);
  }

  #started() {
    this.#hasOpened = false;
    this.#startedAt = this.#options.now();
  }

  get #age() {
    return this.#options.now() - this.#startedAt;
  }

  #renewInTime() {
    const { timers } = this.#options;
    const { renewal } = this.#delivery;
    timers.clearTimeout(this.#renewal);
    if (renewal === undefined) return;
    const renew = () => {
      this.#delivery.renewed();
      this.#continue();
    };
    this.#renewal = timers.setTimeout(renew, Math.max(0, renewal - this.#age));
  }

  /**
   * If the server answers another request, something holds the stream back.
   *
   * @type {(source: Source, url: string) => Promise<void>}
   */
  async #unopened(source, url) {
    this.#watch(this.#delivery.opening);
    const isHeldBack = this.#delivery.isTrial || (await this.#options.reach(url));
    if (source !== this.#source || this.#hasOpened || !isHeldBack) return;
    this.#delivery.heldBack();
    this.#continue();
  }

  /** @type {(source: Source, url: string) => void} */
  #listen(source, url) {
    // A released source may have queued events, which come again from the cursor.
    /** @type {(name: string, handle: (event: MessageEvent) => void) => void} */
    const on = (name, handle) =>
      source.addEventListener(name, (event) => {
        if (source === this.#source) handle(/** @type {MessageEvent} */ (event));
      });
    /** @type {(name: string, handle: (event: MessageEvent, before: string) => void) => void} */
    const onMessage = (name, handle) =>
      on(name, (event) => {
        const before = this.#cursor;
        if (event.lastEventId) this.#cursor = event.lastEventId;
        this.#watch();
        handle(event, before);
      });

    onMessage("stream.open", (event, before) => this.#opened(parse(event), before, event.lastEventId));
    onMessage("stream.ping", (event) => this.#notify({ type: "ping", lag: parse(event).lag ?? 0, id: event.lastEventId }));
    onMessage("stream.reset", (event) => this.#notify({ type: "reset", reason: parse(event).reason, id: event.lastEventId }));
    onMessage("stream.closed", (event) => this.#closed(parse(event)));
    for (const name of ["message", ...Object.keys(CALLBACKS)]) {
      // An event without an id has the previous one: "lastEventId … the last event ID string of the event source"
      // (WHATWG HTML, 9.2.6). It is not covered by it.
      onMessage(name, (event, before) => {
        const id = event.lastEventId === before ? "" : event.lastEventId;
        this.#notify({ type: "event", name, data: event.data, id });
      });
    }
    on("open", () => this.#started()); // also by the browser
    on("error", () => this.#failed(source, url));
  }

  /** @type {(fields: {heartbeat?: any, resumed?: boolean}, from: string, id: string) => void} */
  #opened({ heartbeat, resumed = false }, from, id) {
    if (heartbeat > 0) this.#heartbeat = heartbeat * 1000;
    this.#watch();
    this.#backoff.opened();
    this.#delivery.opened();
    this.#isOpen = this.#hasOpened = true;
    this.#renewInTime();
    this.#interruption = undefined;
    this.#notify({ type: "open", from: from || id, resumed, id, delayed: this.#delivery.isDelayed });
  }

  /** @type {(fields: {reason?: string, reconnect?: boolean, retry_after?: any}) => void} */
  #closed({ reason = "closed", reconnect, retry_after }) {
    if (reconnect === false) {
      this.#finish({ reason });
    } else if (reason === "waited") {
      if (!this.#hasOpened) this.#delivery.silent();
      this.#continue();
    } else {
      this.#reopenIn(Math.max(Number(retry_after) || 0, this.#backoff.next()), reason);
    }
  }

  /**
   * "If the readyState is not CLOSED", the browser reconnects by itself (WHATWG HTML, 9.2.3): at the server's `retry`, and
   * promptly even in a hidden page. But it never slows down, so that is for streams that have lasted.
   *
   * @type {(source: Source, url: string) => void}
   */
  #failed(source, url) {
    const hasLasted = this.#backoff.ended();
    if (this.#hasOpened) this.#delivery.cut(this.#age);
    this.#hasOpened = false;
    this.#options.timers.clearTimeout(this.#renewal);
    this.#delivery.interrupted();
    this.#interrupt("network");
    if (source.readyState === CLOSED) this.#probe(source, url);
    else if (!hasLasted) this.#reopenIn(this.#backoff.next(), "network");
  }

  /** @type {(source: Source, url: string) => Promise<void>} */
  async #probe(source, url) {
    this.#clearDeadline();
    this.#notify({ type: "wait", reason: this.#interruption });
    const { status, retryAfter = 0 } = await this.#options.probe(url);
    if (source !== this.#source) return;

    if (isRefusal(status)) {
      this.#finish({ reason: reasonOf(status), status });
    } else {
      this.#reopenIn(Math.max(retryAfter, this.#backoff.next()), "network");
    }
  }

  #silent() {
    this.#delivery.interrupted();
    this.#interrupt("silence");
    this.#open();
  }

  /** @type {(delay: number, reason: string) => void} */
  #reopenIn(delay, reason) {
    this.#release();
    this.#setDeadline(Math.min(delay, LONGEST_WAIT), () => this.#open(), true);
    this.#interrupt(reason);
  }

  /** @param {string} reason */
  #interrupt(reason) {
    this.#isOpen = false;
    this.#interruption ??= reason;
    this.#notify({ type: "wait", reason: this.#interruption });
  }

  /** @param {Omit<Closed, "type">} closing */
  #finish(closing) {
    this.close();
    this.#deliver({ type: "closed", ...closing });
  }

  /** @param {ConnectionMessage} message */
  #notify(message) {
    if (!this.#ended) this.#deliver(message);
  }

  /** @param {number} elapsed  ms of silence so far */
  #watch(elapsed = 0) {
    const silence = this.#wait ? this.#wait * 1000 + WAIT_MARGIN : this.#options.patience * this.#heartbeat;
    this.#setDeadline(Math.max(0, silence - elapsed), () => this.#silent());
  }

  /** @type {(delay: number, run: () => void, isBackoff?: boolean) => void} */
  #setDeadline(delay, run, isBackoff = false) {
    this.#clearDeadline();
    const { timers, now } = this.#options;
    this.#deadline = { at: now() + delay, run, isBackoff, timer: timers.setTimeout(run, delay) };
  }

  #clearDeadline() {
    this.#options.timers.clearTimeout(this.#deadline?.timer);
    this.#deadline = null;
  }

  #release() {
    this.#clearDeadline();
    this.#options.timers.clearTimeout(this.#renewal);
    if (this.#hasOpened && this.#wait === 0) this.#delivery.lasted(this.#age);
    this.#backoff.ended();
    this.#isOpen = false;
    this.#source?.close();
    this.#source = null;
  }
}

/** @param {MessageEvent} event */
function parse({ data }) {
  try {
    return JSON.parse(data) ?? {};
  } catch {
    return {};
  }
}
