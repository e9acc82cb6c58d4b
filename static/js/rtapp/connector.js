/**
 * One live connection to the server that outlives what ends a native EventSource: an answer other than 200, a link that
 * died without a word, a drain. It always resumes from the last cursor. No DOM in here.
 */

export const HEARTBEAT = 15_000;
const PATIENCE = 2.5; // heartbeats without any event before the link counts as dead
const FIRST_DELAY = 1_000;
const LONGEST_DELAY = 30_000;
const ASK_TIMEOUT = 10_000;
const ENDED = 2; // EventSource.CLOSED
const TRY_AGAIN = new Set([408, 425, 429]);

/** What `json` and `html` streams name their events; `turbo` streams leave them unnamed. */
export const DOMAIN_EVENTS = [
  "message.created",
  "message.updated",
  "message.deleted",
  "conversation.created",
  "conversation.updated",
  "conversation.status_changed",
  "conversation.assignee_changed",
  "conversation.removed",
  "conversation.read",
  "conversation.viewers",
  "typing",
  "presence_update",
];

/**
 * @typedef {object} Closing          why the connection is over for good
 * @property {string} reason          `forbidden`, `signed_out`, `rejected` or what `stream.closed` said
 * @property {boolean} reconnect      always false
 * @property {number} [status]        the HTTP status, where that was the reason
 *
 * @typedef {object} Options
 * @property {string} [url]           default `/streams`
 * @property {string[]} streams       for instance `["account:1", "conversation:3"]`
 * @property {"json" | "html" | "turbo"} [format]
 * @property {string} [cursor]        where to resume: the page's `stream-cursor`
 * @property {typeof globalThis.EventSource} [EventSource]
 * @property {{setTimeout: Function, clearTimeout: Function}} [timers]
 * @property {() => number} [random]  in [0, 1)
 * @property {(url: string) => Promise<Answer>} [ask]   asks for the status that EventSource keeps to itself
 * @property {(data: string, id: string) => void} [onMessage]                an unnamed event (`turbo`)
 * @property {(name: string, data: string, id: string) => void} [onEvent]    a named event (`json`, `html`)
 * @property {(info: {streams?: string[], resumed?: boolean, heartbeat?: number}) => void} [onOpen]
 * @property {(info: {lag?: number}) => void} [onPing]
 * @property {(info: {reason?: string}) => void} [onReset]   what was missed can't be replayed: fetch the state again
 * @property {(reason: string) => void} [onDisconnected]     once per interruption; it will come back by itself
 * @property {(closing: Closing) => void} [onClosed]         once; it will not come back
 *
 * @typedef {{status: number, retryAfter?: number}} Answer   status 0: no answer; retryAfter in ms
 */

/**
 * Opens the streams and keeps them open until `close()` or until the server says that there is no coming back.
 *
 * @param {Options} options
 * @returns {Connection}
 */
export function connect(options) {
  return new Connection(options);
}

/** The address that opens `streams`, resuming after `cursor` where there is one. */
export function streamUrl({ url = "/streams", streams, format = "json", cursor = "" }) {
  const query = new URLSearchParams(streams.map((stream) => ["stream", stream]));
  query.set("format", format);
  if (cursor) query.set("last_event_id", cursor);
  return `${url}?${query}`;
}

/** Milliseconds to wait before attempt number `attempt` (from 0): doubling up to 30 s, of which the upper half is random. */
export function backoff(attempt, random = Math.random) {
  const ceiling = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** attempt);
  return (ceiling + random() * ceiling) / 2;
}

/**
 * Why the server refused `url`. A new EventSource would not say, and would be refused the same way for ever.
 *
 * @returns {Promise<Answer>}
 */
export async function askWhy(url, fetch = globalThis.fetch) {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), ASK_TIMEOUT);
  try {
    const answer = await fetch(url, {
      headers: { Accept: "text/event-stream" },
      cache: "no-store",
      credentials: "same-origin",
      redirect: "manual",
      signal: patience.signal,
    });
    const seconds = Number(answer.headers.get("Retry-After") ?? NaN);
    return { status: answer.status, retryAfter: seconds >= 0 ? seconds * 1000 : undefined };
  } catch {
    return { status: 0 };
  } finally {
    clearTimeout(timer);
    patience.abort(); // a 200 is an endless stream that nobody here reads
  }
}

class Connection {
  #options;
  #cursor;
  #source = null;
  #watchdog = null;
  #waiting = null;
  #heartbeat = HEARTBEAT;
  #attempt = 0;
  #interrupted = false;
  #over = false;

  /** @param {Options} options */
  constructor(options) {
    this.#options = {
      EventSource: globalThis.EventSource,
      timers: globalThis,
      random: Math.random,
      ask: askWhy,
      ...options,
    };
    this.#cursor = options.cursor ?? "";
    this.#open();
  }

  /** The last cursor that was received: where a later `connect()` goes on. */
  get cursor() {
    return this.#cursor;
  }

  /** Ends it; no callback is called any more. */
  close() {
    this.#over = true;
    this.#letGo();
  }

  /** Doesn't wait for the back-off to end: for when the network is known to be back. */
  retry() {
    if (this.#waiting === null || this.#over) return;
    this.#open();
  }

  #open() {
    this.#letGo();
    const url = streamUrl({ ...this.#options, cursor: this.#cursor });
    const source = new this.#options.EventSource(url);
    this.#source = source;
    this.#watch();
    this.#listen(source, url);
  }

  #listen(source, url) {
    // A source that was given up may have events queued: they will come again, from the cursor.
    const on = (name, handle) =>
      source.addEventListener(name, (event) => {
        if (source === this.#source) handle(event);
      });
    const hear = (name, handle) =>
      on(name, (event) => {
        if (event.lastEventId) this.#cursor = event.lastEventId;
        this.#watch();
        handle(event);
      });

    hear("stream.open", (event) => this.#opened(fields(event)));
    hear("stream.ping", (event) => this.#tell("onPing", fields(event)));
    hear("stream.reset", (event) => this.#tell("onReset", fields(event)));
    hear("stream.closed", (event) => this.#closed(fields(event)));
    hear("message", (event) => this.#tell("onMessage", event.data, event.lastEventId));
    for (const name of DOMAIN_EVENTS) {
      hear(name, (event) => this.#tell("onEvent", name, event.data, event.lastEventId));
    }
    on("error", () => this.#failed(source, url));
  }

  #opened(info) {
    if (info.heartbeat > 0) this.#heartbeat = info.heartbeat * 1000;
    this.#watch();
    this.#attempt = 0;
    this.#interrupted = false;
    this.#tell("onOpen", info);
  }

  #closed(info) {
    if (info.reconnect === false) {
      this.#finish(info);
    } else {
      this.#letGo();
      this.#interrupt(info.reason ?? "closed");
      this.#reopenIn(info.retry_after >= 0 ? info.retry_after : this.#backoff());
    }
  }

  /** "If the readyState is not CLOSED", the browser is reconnecting by itself (WHATWG HTML, 9.2.3); the watchdog goes on. */
  #failed(source, url) {
    this.#interrupt("network");
    if (source.readyState === ENDED) this.#findOutWhy(source, url);
  }

  async #findOutWhy(source, url) {
    this.#unwatch();
    const { status, retryAfter = 0 } = await this.#options.ask(url);
    if (source !== this.#source) return;

    if (status >= 400 && status < 500 && !TRY_AGAIN.has(status)) {
      this.#finish({ reason: refusal(status), reconnect: false, status });
    } else {
      this.#letGo();
      this.#reopenIn(Math.max(retryAfter, this.#backoff()));
    }
  }

  #silent() {
    this.#letGo();
    this.#interrupt("silence");
    this.#reopenIn(this.#backoff());
  }

  #reopenIn(delay) {
    this.#waiting = this.#options.timers.setTimeout(() => this.#open(), delay);
  }

  #backoff() {
    return backoff(this.#attempt++, this.#options.random);
  }

  #interrupt(reason) {
    if (this.#interrupted) return;
    this.#interrupted = true;
    this.#tell("onDisconnected", reason);
  }

  #finish(closing) {
    this.close();
    this.#options.onClosed?.(closing);
  }

  #tell(callback, ...values) {
    if (!this.#over) this.#options[callback]?.(...values);
  }

  #watch() {
    this.#unwatch();
    this.#watchdog = this.#options.timers.setTimeout(() => this.#silent(), PATIENCE * this.#heartbeat);
  }

  #unwatch() {
    this.#options.timers.clearTimeout(this.#watchdog);
    this.#watchdog = null;
  }

  #letGo() {
    this.#unwatch();
    this.#options.timers.clearTimeout(this.#waiting);
    this.#waiting = null;
    this.#source?.close();
    this.#source = null;
  }
}

function refusal(status) {
  if (status === 401) return "signed_out";
  if (status === 403 || status === 404) return "forbidden";
  return "rejected";
}

function fields(event) {
  try {
    return JSON.parse(event.data) ?? {};
  } catch {
    return {};
  }
}
