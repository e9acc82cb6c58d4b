/** Types of the connector's internals. What an application uses is in connector.d.ts. */

import type { Backoff } from "./backoff.js";
import type { Delivery } from "./delivery.js";
import type { Callbacks, ConnectOptions } from "./connector";
import type { VisitorOptions } from "./visitor/visitor";

/** `globalThis`, or a clock that a test advances. Delays are in milliseconds. */
export interface Timers {
  setTimeout(run: () => void, delay: number): any;
  clearTimeout(id: any): void;
  setInterval(run: () => void, delay: number): any;
  clearInterval(id: any): void;
}

export interface ProbeResult {
  /** The HTTP status; 0 without an answer. */
  status: number;
  /** ms */
  retryAfter?: number;
}

export interface StreamAddress {
  url?: string;
  streams: string[];
  format?: "json" | "html" | "turbo";
  /** The user that the page was rendered for. The server answers 401 if another user has signed in since. */
  user?: number | string;
  /** Where to resume; "" to begin with the next event. */
  cursor?: string;
  /** s of long polling; 0 to stream. */
  wait?: number;
}

/** What a connection uses of an EventSource. */
export interface Source {
  readonly readyState: number;
  addEventListener(name: string, handle: (event: any) => void): void;
  close(): void;
}

export interface FetchSourceOptions {
  /** Of each request. */
  headers?: () => Record<string, string>;
  fetch?: typeof globalThis.fetch;
  timers?: Pick<Timers, "setTimeout" | "clearTimeout">;
}

export interface ParsedEvent {
  type: string;
  data: string;
  lastEventId: string;
}

export interface DeliveryOptions {
  url?: string;
  /** ms, of a clock that goes on while the machine sleeps. */
  now?: () => number;
  /** Where what was found is kept, for the next page. Default: `localStorage`. */
  storage?: Pick<Storage, "getItem" | "setItem" | "removeItem">;
}

/** `delay`: long polling is necessary, and streaming is tried again after so many ms. `age`: streams are cut at it (ms). */
export interface DeliveryMemory {
  delay?: number;
  age?: number;
}

export interface ConnectionOptions extends StreamAddress {
  /** Heartbeats of silence after which a link counts as dead. */
  patience?: number;
  /** ms before the first new attempt; each further attempt doubles it. */
  firstDelay?: number;
  /** ms */
  longestDelay?: number;
  /** Default: one of its own. */
  backoff?: Backoff;
  /** Default: one of its own. */
  delivery?: Delivery;
  storage?: DeliveryOptions["storage"];
  EventSource?: new (url: string) => Source;
  timers?: Timers;
  /** ms, of a clock that goes on while the machine sleeps. */
  now?: () => number;
  /** In [0, 1). */
  random?: () => number;
  /** Finds the status that EventSource does not reveal. */
  probe?: (url: string) => Promise<ProbeResult>;
  /** Finds whether the server answers an ordinary request. */
  reach?: (url: string) => Promise<boolean>;
}

/** What authorises the requests of a tab. */
export interface AnyCredentials {
  /** Whether the page has not been asked for them yet. */
  readonly isMissing: boolean;
  /** What an action sends. Another one later was renewed. */
  readonly secret: string;
  readonly headers: Record<string, string>;
  /**
   * Called when the server has refused `secret`. Whether another attempt makes sense: false is final. Throws if that could
   * not be found out now.
   */
  renew(secret?: string): Promise<boolean>;
}

/** Of connect(): see connector.d.ts. */
export interface CredentialsOptions extends Pick<ConnectOptions, "user" | "csrf" | "renew"> {
  fetch?: typeof globalThis.fetch;
}

/** The options of the leader, which sets `streams` and `cursor` of its connections itself. */
export interface LeaderOptions extends Omit<ConnectionOptions, "streams"> {
  credentials: AnyCredentials;
  settle?: number;
  linger?: number;
}

export interface TransportOptions extends LeaderOptions {
  grace?: number;
  /** Called when the shared connection has no room for this tab's streams. */
  onFull?: () => void;
}

/** What connector.js holds: the application's options, and those that tests replace. */
export type ConnectorOptions = ConnectOptions &
  LeaderOptions & { kind?: "user" | "visitor"; fetch?: typeof globalThis.fetch; page?: Window };

/** Likewise of visitor.js. */
export type VisitorConnectorOptions = VisitorOptions & Omit<ConnectorOptions, "token" | "credentials">;

/** Everything after `from` follows. If `resumed`, there is no event between `from` and `id`. `delayed`: by long polling. */
export type Open = { type: "open"; from: string; resumed: boolean; id: string; delayed: boolean };
/** Not live. `reason` is there once the connection was interrupted. */
export type Wait = { type: "wait"; reason?: string };
/** An event of the server; `id` is "" for one that is not replayed. */
export type Event = { type: "event"; name: string; data: string; id: string };
/** The server's heartbeat; `lag` in seconds. */
export type Ping = { type: "ping"; lag: number; id: string };
/** Missed events can't be replayed; the stream continues after `id`. */
export type Reset = { type: "reset"; reason?: string; id: string };
/** The last message of a connection. */
export type Closed = { type: "closed"; reason: string; status?: number };
export type ConnectionMessage = Open | Wait | Event | Ping | Reset | Closed;

/** A stream that a tab wants. `joined`: the connection brings everything after `cursor`. */
export interface Want {
  stream: string;
  cursor: string;
  joined?: boolean;
}

/**
 * The messages of the table in transport.js. From a follower: `want`, all streams that the tab wants, with their cursors;
 * `bye`, the tab leaves; `wake`, run what is overdue, answered by `open` or `wait`; `retry`, the network is back: end the
 * back-off.
 */
export type FollowerMessage = { type: "want"; streams: Want[] } | { type: "bye" } | { type: "wake" } | { type: "retry" };
/**
 * From the leader: those of the connection; `refused`, one stream ended for good; `ended`, all did; `full`, no room for
 * the tab, which becomes direct.
 */
export type LeaderMessage =
  | (Open & { streams: string[] })
  | Exclude<ConnectionMessage, Open | Closed>
  | { type: "refused"; stream: string; status: number; reason: string }
  | { type: "ended"; status?: number; reason: string }
  | { type: "full"; tab: string };

/** As received: `tab` is the sender. */
export type FromFollower = FollowerMessage & { tab: string };
/** As received: `term` grows with each leader; `due` are the ms within which its next message follows. */
export type FromLeader = LeaderMessage & { term: number; due: number };

/** A handler for each kind of message. */
export type Handlers<Message extends { type: string }> = {
  [Kind in Message["type"]]?: (message: Extract<Message, { type: Kind }>) => void;
};

export interface Subscription extends Want {
  callbacks: Callbacks;
  state?: "connecting" | "live" | "interrupted";
  isDelayed?: boolean;
}

/** How a tab reaches its leader. */
export interface Transport {
  join(): void;
  leave(): void;
  send(message: FollowerMessage): void;
}

/** What a transport asks of a leader, its own tab's. */
export interface Receiver {
  receive(message: FromFollower): void;
  close(): void;
}
