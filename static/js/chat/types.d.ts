/** The types of the chat's modules. */

import type { Attachment, Conversation as CustomersConversation, Message as CustomersMessage, Person } from "../connector/connector";

/** What the page has in `data-settings`. */
export interface Settings {
  key: string;
  inbox_id: number;
  account_id: number;
  /** The account's. */
  name: string;
  /** Those that may embed the page. */
  origins: string[];
  /** Empty: the language's. */
  greeting: string;
  away: string;
  language: string;
  /** Whether a member of the inbox was present. */
  present: boolean;
}

export interface Contact extends Person {
  email: string | null;
  /** Whether the website has proved who the visitor is. */
  verified: boolean;
}

export interface Conversation extends CustomersConversation {
  unread: number;
}

export type Message = CustomersMessage;

/** What GET /chat/<key>/conversations answers. */
export interface Listed {
  conversations: Conversation[];
  contact: Contact;
  present: boolean;
  cursor: string;
}

/** From the website's page, over the port: widget/types.d.ts has the other end. An answer repeats the `id`. */
export type FromHost =
  | { type: "session"; token?: string | null; page?: string; language?: string; title?: string; open?: boolean }
  | { type: "open" }
  | { type: "close" }
  | { type: "page"; url: string }
  | { type: "identify"; jwt: string; id?: number }
  | { type: "logout"; id?: number }
  | { type: "destroy" };

export type ToHost =
  | { type: "ready" }
  | { type: "token"; token: string | null }
  | { type: "unread"; count: number }
  | { type: "message"; message: Message }
  | { type: "close" }
  | { type: "error"; error: { type: string; message: string }; id?: number }
  | { type: "identified"; contact: Contact; id?: number }
  | { type: "loggedOut"; id?: number };

export interface Host {
  isFrame: boolean;
  start(receive: (message: FromHost) => void): void;
  post(message: ToHost): void;
}

/** A message that the server has not confirmed. */
export interface Unsent {
  client_id: string;
  /** null: it begins one, with all others of null. */
  conversation: number | null;
  content: string;
  attachments?: Attachment[];
  page?: string;
  at: number;
  /** The status with which the last attempt failed. */
  status?: number;
  /** Whether a repetition would be refused as well. */
  refused?: boolean;
  /** When it is sent again, in ms since 1970. */
  again?: number;
}

/** "blocked", "gone" and "failed" show their words in place of conversations. */
export type Screen = "loading" | "list" | "thread" | "blocked" | "gone" | "failed";

export type Words = typeof import("./languages/en.js").default;
export type FileWords = typeof import("./on_demand/languages/en.js").default;

type Events = { [name in keyof GlobalEventHandlers as name extends `on${string}` ? name : never]?: unknown };
export type Properties = Events & Record<string, unknown>;
export type Child = Node | string | null | undefined | false;
export type H = <Tag extends keyof HTMLElementTagNameMap>(tag: Tag, properties?: Properties | null, ...children: (Child | Child[])[]) => HTMLElementTagNameMap[Tag];
