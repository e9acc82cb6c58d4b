/** The public interface of connector.js; visitor/ has that for visitors. docs/connector.md shows its use. */

export interface ConnectOptions {
  /** The user that the page was rendered for. Without it (or `account`) the page has a connection of its own. */
  user?: number | string;
  /** The account of all streams. */
  account?: number | string;
  /** The page's `stream-cursor`: everything after it is delivered. Default: from now on. */
  cursor?: string;
  /** `json` calls the callbacks with data, `turbo` calls `onFragment`, `html` calls the callbacks with fragments (and is not shared). */
  format?: "json" | "turbo" | "html";
  /** Default `/streams`. */
  url?: string;
  /** Whether tabs share a connection. Default: where Web Locks and BroadcastChannel exist. */
  share?: boolean;
  /** Default: `<meta name="csrf-token">`, read with each action. */
  csrf?: string;
  /**
   * Called once the server has refused the page's session, before the subscriptions end: whether the page has a session
   * again, with a new CSRF token in its `<meta>`. False is final, an exception is not. Default: asks the server whether the
   * `user` is signed in (again), and takes the session's CSRF token.
   */
  renew?: () => boolean | Promise<boolean>;

  /** Heartbeats of silence after which a link counts as dead. Default 2.5. */
  patience?: number;
  /** ms before the first new attempt; each further attempt doubles it. Default 1 000. */
  firstDelay?: number;
  /** The longest delay, ms. Default 30 000. */
  longestDelay?: number;
  /** ms in which the changes of several tabs are collected. Default 50. */
  settle?: number;
  /** ms until a stream that no tab wants is closed. Default 30 000. */
  linger?: number;
  /** ms by which a leading tab may be late, until it is asked, and again until it is replaced. Default 3 000. */
  grace?: number;
}

export function connect(options: ConnectOptions): Connector;

export interface Connector {
  /**
   * Subscribes to a stream from `cursor` on; by default, from the connector's.
   * Throws RangeError for more than 32 streams, and Error after `disconnect()`.
   */
  subscribe(stream: string, callbacks: Callbacks, options?: { cursor?: string }): Subscription;
  /**
   * Posts an action: `perform("conversation:42", "messages", {content: "Hi"})`. Returns the parsed answer, null for 204.
   * Throws ActionError, and TypeError for a name or an action that has no address. Sent once; if it stays unanswered
   * (no network, 502, 503, 504) and the data has a `client_id`, up to three times; refused with 401, once more if the
   * session or token can be renewed.
   */
  perform<Answer = unknown>(stream: string, action: string, data?: object): Promise<Answer>;
  /** Ends every subscription. No callback is called afterwards. */
  disconnect(): void;
}

export interface Subscription {
  readonly stream: string;
  /** The last event that was received, or was in the page. */
  readonly cursor: string;
  unsubscribe(): void;
  perform<Answer = unknown>(action: string, data?: object): Promise<Answer>;
}

/** The server refused an action, or did not answer. */
export class ActionError extends Error {
  /** The HTTP status; 0 without an answer. */
  readonly status: number;
  readonly problem: Problem | null;
  /** ms that the server asks to wait. */
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
  /**
   * The stream is live: everything after the cursor follows. `delayed`: by long polling, because something between holds
   * streams back. Called again after each interruption, and when `delayed` changes.
   */
  onConnected?(info: { resumed: boolean; delayed: boolean }): void;
  /** Called once per interruption. The connection recovers by itself. `network`, `silence`, `away`, or the reason of `stream.closed`. */
  onDisconnected?(info: { reason: string }): void;
  /** Missed events can't be replayed: fetch the state again. */
  onReset?(info: { reason?: string }): void;
  /** The server refused the stream: 401 (sign in again), 404 (missing, or not for this user), 400. */
  onRejected?(info: { status: number; reason: string }): void;
  /** The server ended the subscription for good. The last callback. */
  onClosed?(info: { status?: number; reason: string }): void;
  /** The server's heartbeat. `lag`: seconds by which the stream may be behind, 0 if it is not. */
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
  onConversationLabelsChanged?(change: LabelsChanged, meta: Meta): void;
  onConversationContactChanged?(change: ContactChanged, meta: Meta): void;
  onConversationRemoved?(conversation: { id: number; account_id: number }, meta: Meta): void;
  onConversationRead?(read: ConversationRead, meta: Meta): void;
  onConversationViewers?(viewers: { conversation_id: number; viewers: Person[] }, meta: Meta): void;
  onTyping?(typing: Typing, meta: Meta): void;
  /** Whether the conversation's customer is on the website now. */
  onContactPresence?(presence: ContactPresence, meta: Meta): void;
  onPresenceUpdate?(presence: PresenceSnapshot | PresenceChange, meta: Meta): void;
  onNotificationCreated?(notification: Record<string, unknown>, meta: Meta): void;
  onNotificationRead?(notification: Record<string, unknown>, meta: Meta): void;
  onUnreadChanged?(unread: Record<string, unknown>, meta: Meta): void;
  onSettingsChanged?(change: { account_id: number; part: string }, meta: Meta): void;
  onInboxPresence?(presence: { account_id: number; inbox_id: number; present: boolean }, meta: Meta): void;
}

export interface ContactPresence {
  account_id: number;
  conversation_id: number;
  contact_id: number;
  present: boolean;
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

/** A file of a message. `width`, `height` and `thumbnail_url` are those of a picture. */
export interface Attachment {
  id: number;
  key: string;
  name: string;
  content_type: string;
  size: number;
  width: number | null;
  height: number | null;
  url: string;
  thumbnail_url: string | null;
}

export interface Message {
  id: number;
  conversation_id: number;
  account_id: number;
  message_type: "incoming" | "outgoing" | "activity";
  private: boolean;
  content: string;
  /** With one, the content may be empty. */
  attachments: Attachment[];
  sender: Person & { type: "user" | "contact" };
  client_id: string | null;
  created_at: string;
  updated_at: string;
  edited_at: string | null;
  /** null, with `edited_at`, if it is not known or not public. */
  edited_by: Person | null;
  version: number;
  /** The content was too long for an event: fetch the message. */
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
  snoozed_until: string | null;
  assignee: Person | null;
  contact: Person;
  labels: Label[];
  last_message: { id: number; preview: string; sender_name: string; created_at: string } | null;
  last_activity_at: string;
  /** Of the last message that the customer sees: the order of lists. */
  last_public_at: string;
  /** The customer's first message without a reply. */
  waiting_since: string | null;
  version: number;
}

export type Status = "open" | "pending" | "snoozed" | "resolved" | "spam";

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

export interface Label {
  id: number;
  title: string;
  /** The number of a hue, 0 to 7. */
  colour: number;
}

export interface LabelsChanged {
  id: number;
  account_id: number;
  labels: Label[];
  changed_by: Person;
  version: number;
}

export interface ContactChanged {
  id: number;
  account_id: number;
  contact: Person & {
    email: string | null;
    phone: string | null;
    blocked: boolean;
    verified: boolean;
    given_email: string | null;
    page_url: string | null;
  };
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
