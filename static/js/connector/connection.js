/**
 * One live connection to the server that outlives what ends a native EventSource: an answer other than 200, a link that
 * died without a word, sleep, a drain. It always resumes from the last cursor. No DOM in here.
 */

import { CALLBACKS } from "./catalogue.js";
import { ASK_TIMEOUT, askWhy, backoff, isRefusal, reasonOf, streamUrl } from "./request.js";

export const HEARTBEAT = 15_000;
const PATIENCE = 2.5; // heartbeats without any event before the link counts as dead
const ENDED = 2; // EventSource.CLOSED

/**
 * @typedef {object} Options
 * @property {string} [url]           default `/streams`
 * @property {string[]} streams       for instance `["account:1", "conversation:3"]`
 * @property {"json" | "html" | "turbo"} [format]
 * @property {string} [cursor]        where to resume
 * @property {number | string} [user]     for whom: should somebody else have signed in since, it is refused
 * @property {number} [patience]      heartbeats of silence until the link counts as dead
 * @property {number} [firstDelay]    ms before the first new attempt, doubled with each
 * @property {number} [longestDelay]  ms
 * @property {typeof globalThis.EventSource} [EventSource]
 * @property {{setTimeout: Function, clearTimeout: Function}} [timers]
 * @property {() => number} [now]     ms; of a clock that goes on while the machine sleeps
 * @property {() => number} [random]  in [0, 1)
 * @property {(url: string) => Promise<import("./request.js").Answer>} [ask]   asks for the status that EventSource keeps to itself
 *
 * What a connection tells, as plain objects that can be posted to other tabs:
 * @typedef {{type: "open", from: string, resumed: boolean, id: string}} Open
 *     everything after `from` follows; if it was resumed, there is nothing between `from` and `id`
 * @typedef {{type: "wait", reason?: string}} Wait                 not live; with a reason once it was interrupted
 * @typedef {{type: "event", name: string, data: string, id: string}} Event
 * @typedef {{type: "ping", lag: number, id: string}} Ping
 * @typedef {{type: "reset", reason: string, id: string}} Reset    what was missed can't be replayed; goes on from `id`
 * @typedef {{type: "closed", reason: string, status?: number}} Closed   the last that is told
 */

export class Connection {
  #options;
  #tell;
  #cursor;
  #source = null;
  #deadline = null;
  #heartbeat = HEARTBEAT;
  #attempt = 0;
  #isOpen = false;
  #interrupted;
  #over = false;

  /**
   * @param {Options} options
   * @param {(message: Open | Wait | Event | Ping | Reset | Closed) => void} tell
   */
  constructor(options, tell) {
    this.#options = {
      patience: PATIENCE,
      EventSource: globalThis.EventSource,
      timers: globalThis,
      now: Date.now,
      random: Math.random,
      ask: askWhy,
      ...options,
    };
    this.#tell = tell;
    this.#cursor = options.cursor ?? "";
    this.#open();
  }

  /** The last cursor that was received. */
  get cursor() {
    return this.#cursor;
  }

  get isOpen() {
    return this.#isOpen;
  }

  /** Why it is not live, if it was interrupted. */
  get interrupted() {
    return this.#interrupted;
  }

  /** Milliseconds within which this connection has something to tell, if its timers run. */
  get due() {
    return this.#deadline ? Math.max(0, this.#deadline.at - this.#options.now()) : ASK_TIMEOUT;
  }

  /** Ends it; nothing is told any more. */
  close() {
    this.#over = true;
    this.#letGo();
  }

  /** Doesn't wait for the back-off to end: for when the network is known to be back. */
  retry() {
    if (this.#deadline?.isDelay) this.#open();
  }

  /** Does what is overdue: timers stand still while the machine sleeps, and are slow in a page that nobody sees. */
  wake() {
    if (this.#deadline && this.due === 0) this.#deadline.run();
  }

  #open() {
    this.#letGo();
    const url = streamUrl({ ...this.#options, cursor: this.#cursor });
    const source = new this.#options.EventSource(url);
    this.#source = source;
    this.#watch();
    this.#listen(source, url);
    this.#say({ type: "wait", reason: this.#interrupted });
  }

  #listen(source, url) {
    // A source that was given up may have events queued: they will come again, from the cursor.
    const on = (name, handle) =>
      source.addEventListener(name, (event) => {
        if (source === this.#source) handle(event);
      });
    const hear = (name, handle) =>
      on(name, (event) => {
        const before = this.#cursor;
        if (event.lastEventId) this.#cursor = event.lastEventId;
        this.#watch();
        handle(event, before);
      });

    hear("stream.open", (event, before) => this.#opened(fields(event), before, event.lastEventId));
    hear("stream.ping", (event) => this.#say({ type: "ping", lag: fields(event).lag ?? 0, id: event.lastEventId }));
    hear("stream.reset", (event) => this.#say({ type: "reset", reason: fields(event).reason, id: event.lastEventId }));
    hear("stream.closed", (event) => this.#closed(fields(event)));
    for (const name of ["message", ...Object.keys(CALLBACKS)]) {
      // What carries no id shows the last one there was: "lastEventId … the last event ID string of the event source"
      // (WHATWG HTML, 9.2.6). It is not what everyone has already.
      hear(name, (event, before) => {
        const id = event.lastEventId === before ? "" : event.lastEventId;
        this.#say({ type: "event", name, data: event.data, id });
      });
    }
    on("error", () => this.#failed(source, url));
  }

  #opened({ heartbeat, resumed = false }, from, id) {
    if (heartbeat > 0) this.#heartbeat = heartbeat * 1000;
    this.#watch();
    this.#attempt = 0;
    this.#isOpen = true;
    this.#interrupted = undefined;
    this.#say({ type: "open", from: from || id, resumed, id });
  }

  #closed({ reason = "closed", reconnect, retry_after }) {
    if (reconnect === false) {
      this.#finish({ reason });
    } else {
      this.#letGo();
      this.#reopenIn(retry_after >= 0 ? retry_after : this.#backoff(), reason);
    }
  }

  /** "If the readyState is not CLOSED", the browser is reconnecting by itself (WHATWG HTML, 9.2.3); the watchdog goes on. */
  #failed(source, url) {
    this.#interrupt("network");
    if (source.readyState === ENDED) this.#findOutWhy(source, url);
  }

  async #findOutWhy(source, url) {
    this.#forget();
    this.#say({ type: "wait", reason: this.#interrupted });
    const { status, retryAfter = 0 } = await this.#options.ask(url);
    if (source !== this.#source) return;

    if (isRefusal(status)) {
      this.#finish({ reason: reasonOf(status), status });
    } else {
      this.#letGo();
      this.#reopenIn(Math.max(retryAfter, this.#backoff()), "network");
    }
  }

  /** No back-off: silence was long enough. */
  #silent() {
    this.#interrupt("silence");
    this.#open();
  }

  #reopenIn(delay, reason) {
    this.#within(delay, () => this.#open(), { isDelay: true });
    this.#interrupt(reason);
  }

  #backoff() {
    const { random, firstDelay, longestDelay } = this.#options;
    return backoff(this.#attempt++, random, firstDelay, longestDelay);
  }

  #interrupt(reason) {
    this.#isOpen = false;
    this.#interrupted ??= reason;
    this.#say({ type: "wait", reason: this.#interrupted });
  }

  #finish(closing) {
    this.close();
    this.#tell({ type: "closed", ...closing });
  }

  #say(message) {
    if (!this.#over) this.#tell(message);
  }

  #watch() {
    this.#within(this.#options.patience * this.#heartbeat, () => this.#silent());
  }

  #within(delay, run, { isDelay = false } = {}) {
    this.#forget();
    const { timers, now } = this.#options;
    this.#deadline = { at: now() + delay, run, isDelay, timer: timers.setTimeout(run, delay) };
  }

  #forget() {
    this.#options.timers.clearTimeout(this.#deadline?.timer);
    this.#deadline = null;
  }

  #letGo() {
    this.#forget();
    this.#isOpen = false;
    this.#source?.close();
    this.#source = null;
  }
}

function fields(event) {
  try {
    return JSON.parse(event.data) ?? {};
  } catch {
    return {};
  }
}
