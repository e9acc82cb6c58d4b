/** Fakes of the browser's EventSource and timers, which a test drives. */

/** An EventSource without a server: the test emits its events. */
export class FakeEventSource {
  static instances = [];
  readyState = 0;
  listeners = {};

  constructor(url) {
    this.url = url;
    FakeEventSource.instances.push(this);
  }

  addEventListener(name, listener) {
    (this.listeners[name] ??= []).push(listener);
  }

  close() {
    this.readyState = 2;
    this.isClosed = true;
  }

  emit(name, data = {}, lastEventId = "") {
    const text = typeof data === "string" ? data : JSON.stringify(data);
    for (const listener of this.listeners[name] ?? []) listener({ data: text, lastEventId });
  }

  fail(readyState) {
    this.readyState = readyState;
    for (const listener of this.listeners.error ?? []) listener({});
  }
}

/** Timers that run when the test calls `pass`. Time of `sleep` passes on the wall clock alone. */
export class FakeTimers {
  now = 0;
  slept = 0;
  due = new Map();
  next = 1;

  wallClock = () => this.now + this.slept;

  sleep(ms) {
    this.slept += ms;
  }

  setTimeout = (run, delay) => {
    const isOverflow = delay >= 2 ** 31; // "long timeout": WHATWG HTML, 8.7
    this.due.set(this.next, { run, at: this.now + (isOverflow ? 0 : delay) });
    return this.next++;
  };

  clearTimeout = (id) => this.due.delete(id);

  setInterval = (run, delay) => {
    const id = this.next++;
    const again = () => {
      this.due.set(id, { run: again, at: this.now + delay });
      run();
    };
    this.due.set(id, { run: again, at: this.now + delay });
    return id;
  };

  clearInterval = this.clearTimeout;

  /** Passes the time until the next timer, which runs. */
  passToNext() {
    this.pass(Math.min(...[...this.due.values()].map(({ at }) => at)) - this.now);
  }

  pass(ms) {
    const end = this.now + ms;
    for (;;) {
      const [id, timer] = [...this.due].filter(([, { at }]) => at <= end).sort((a, b) => a[1].at - b[1].at)[0] ?? [];
      if (!id) break;
      this.due.delete(id);
      this.now = timer.at;
      timer.run();
    }
    this.now = end;
  }
}

/** Resolves after all pending promises. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));

export const cursorIn = (source) => new URL(source.url, "http://x").searchParams.get("last_event_id");
export const streamsIn = (source) => new URL(source.url, "http://x").searchParams.getAll("stream");

/** Options of a connection that is driven by fakes. */
export function faked(timers) {
  FakeEventSource.instances = [];
  return { EventSource: FakeEventSource, timers, now: timers.wallClock, random: () => 0.5, probe: async () => ({ status: 503 }) };
}

/** Like localStorage: its entries are its own keys. */
export function storage(entries = {}) {
  const methods = { getItem: (key) => entries[key] ?? null, setItem: (key, value) => (entries[key] = value), removeItem: (key) => delete entries[key] };
  Object.entries(methods).forEach(([name, value]) => Object.defineProperty(entries, name, { value, enumerable: false }));
  return entries;
}
