/** What connector.js offers. docs/connector.md shows how it is used. */

export interface ConnectOptions {
  /** For whom the page was rendered. Without it (or `account`) the page's connection is its own: nobody else's events are ever heard. */
  user?: number | string;
  /** Whose streams: all of them are of one account. */
  account?: number | string;
  /** The page's `stream-cursor`: nothing that follows it is missed. Default: from now on. */
  cursor?: string;
  /** `json` brings data to the callbacks, `turbo` fragments to `onFragment`, `html` fragments to the callbacks (and is not shared). */
  format?: "json" | "turbo" | "html";
  /** Default `/streams`. */
  url?: string;
  /** Whether tabs share a connection. Default: wherever Web Locks and BroadcastChannel exist. */
  share?: boolean;
  /** Default: `<meta name="csrf-token">`, looked up with each action. */
  csrf?: string;

  /** Heartbeats of silence until a link counts as dead. Default 2.5. */
  patience?: number;
  /** ms before the first new attempt, doubled with each, and at most. Default 1 000 and 30 000. */
  firstDelay?: number;
  longestDelay?: number;
  /** ms in which changes of several tabs are waited for. Default 50. */
  settle?: number;
  /** ms until a stream that no tab wants any more is given up. Default 30 000. */
  linger?: number;
  /** ms by which a leading tab may be late before it is asked, and again before it is replaced. Default 3 000. */
  grace?: number;
}

export function connect(options: ConnectOptions): Connector;

export interface Connector {
  subscribe(stream: string, callbacks: Callbacks, options?: { cursor?: string }): Subscription;
  /** Posts an action: `perform("conversation:42", "messages", {content: "Hi"})`. Throws ActionError. */
  perform<Answer = unknown>(stream: string, action: string, data?: object): Promise<Answer>;
  /** Ends every subscription; no callback is called any more. */
  disconnect(): void;
}

export interface Subscription {
  readonly stream: string;
  /** Everything up to here has been heard. */
  readonly cursor: string;
  unsubscribe(): void;
  perform<Answer = unknown>(action: string, data?: object): Promise<Answer>;
}

/** What the server refused, or did not answer (`status` 0). */
export class ActionError extends Error {
  readonly status: number;
  readonly problem: Problem | null;
  /** ms */
  readonly retryAfter?: number;
}

/** RFC 9457 */
export interface Problem {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  errors?: Record<string, string[]>;
}

export interface Callbacks {
  /** The stream is live: everything since the cursor is arriving. Again after each interruption. */
  onConnected?(info: { resumed: boolean }): void;
  /** Once per interruption; it comes back by itself. `network`, `silence`, `away`, or what `stream.closed` said. */
  onDisconnected?(info: { reason: string }): void;
  /** What was missed can't be replayed: fetch the state again. */
  onReset?(info: { reason?: string }): void;
  /** The server refused the stream: 401 (sign in again), 404 (not there, or not for you), 400. */
  onRejected?(info: { status: number; reason: string }): void;
  /** It will not come back. The last callback of a subscription that the server ended. */
  onClosed?(info: { status?: number; reason: string }): void;
  /** The server's heartbeat. `lag`: seconds by which it may be behind, 0 when it is sure not to be. */
  onPing?(info: { lag: number }): void;
  /** In the `turbo` format, every event: a `<turbo-stream>` element as text. */
  onFragment?(html: string, meta: { id: string; stream?: string }): void;

  // One for each event. In the `html` format the first argument is the fragment.
  onMessageCreated?(message: Message, meta: Meta): void;
  onMessageUpdated?(message: Message, meta: Meta): void;
  onMessageDeleted?(message: MessageDeleted, meta: Meta): void;
  onConversationCreated?(conversation: Conversation, meta: Meta): void;
  onConversationUpdated?(conversation: Conversation, meta: Meta): void;
  onConversationStatusChanged?(change: StatusChanged, meta: Meta): void;
  onConversationAssigneeChanged?(change: AssigneeChanged, meta: Meta): void;
  onConversationRemoved?(conversation: { id: number; account_id: number }, meta: Meta): void;
  onConversationRead?(read: ConversationRead, meta: Meta): void;
  onConversationViewers?(viewers: { conversation_id: number; viewers: Person[] }, meta: Meta): void;
  onTyping?(typing: Typing, meta: Meta): void;
  onPresenceUpdate?(presence: PresenceSnapshot | PresenceChange, meta: Meta): void;
  onNotificationCreated?(notification: Record<string, unknown>, meta: Meta): void;
  onNotificationRead?(notification: Record<string, unknown>, meta: Meta): void;
  onUnreadChanged?(unread: Record<string, unknown>, meta: Meta): void;
}

export interface Meta {
  event: string;
  stream: string;
  /** Unix seconds */
  timestamp: number;
  /** The event's cursor; empty for one that is not replayed. */
  id: string;
}

export interface Person {
  id: number;
  name: string;
}

export interface Message {
  id: number;
  conversation_id: number;
  account_id: number;
  message_type: "incoming" | "outgoing" | "activity";
  private: boolean;
  content: string;
  sender: Person & { type: "user" | "contact" };
  client_id: string | null;
  created_at: string;
  updated_at: string;
  version: number;
  /** The content was too long for an event: fetch the rest. */
  truncated?: true;
}

export interface MessageDeleted {
  id: number;
  conversation_id: number;
  account_id: number;
  version: number;
}

export interface Conversation {
  id: number;
  account_id: number;
  inbox_id: number;
  status: Status;
  assignee: Person | null;
  contact: Person;
  last_message: { id: number; preview: string; sender_name: string; created_at: string } | null;
  last_activity_at: string;
  version: number;
}

export type Status = "open" | "pending" | "snoozed" | "resolved";

export interface StatusChanged {
  id: number;
  account_id: number;
  status: Status;
  previous_status: Status;
  snoozed_until: string | null;
  changed_by: Person;
  version: number;
}

export interface AssigneeChanged {
  id: number;
  account_id: number;
  assignee: Person | null;
  previous_assignee: Person | null;
  changed_by: Person;
  version: number;
}

export interface ConversationRead {
  id: number;
  account_id: number;
  reader: { type: "user" | "contact"; id: number };
  message_id: number;
}

export interface Typing {
  conversation_id: number;
  user_id?: number;
  contact_id?: number;
  user_name: string;
  is_typing: boolean;
  private: boolean;
  /** s */
  expires_in: number;
}

export type Presence = "online" | "busy" | "offline";

export interface PresenceSnapshot {
  online_users: Record<string, Presence>;
}

export interface PresenceChange {
  changed: Record<string, Presence>;
  left: number[];
}
