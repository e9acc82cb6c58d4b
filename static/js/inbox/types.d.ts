/** Types of the inbox page's modules. */

import type { Connector } from "../connector/connector";
import type { Drafts } from "./drafts.js";
import type { Session } from "./session.js";
import type { Unsent } from "./unsent.js";

/** What the parts of the page share. Its strings come from the body's `data-` attributes; "" where there is none. */
export interface Page {
  readonly account: string;
  /** The signed-in user's id. */
  readonly user: string;
  readonly role: string;
  /** Of which conversations' new messages the user is alerted: `inboxes`, `mine_and_unassigned` or `mine`. */
  readonly alerts: string;
  readonly accountName: string;
  /** The open conversation's id. */
  readonly conversation: string;
  /** Those of the rows, with spaces between them. */
  readonly viewStatus: string;
  readonly viewAssignee: string;
  readonly viewInbox: string;
  readonly viewLabel: string;
  readonly viewQ: string;
  readonly viewSort: string;
  /** The view as a query string. */
  readonly viewQuery: string;

  readonly connector: Connector;
  readonly session: Session;
  readonly drafts: Drafts;
  readonly unsent: Unsent;
  isLive(): boolean;
  /** Applies a fragment. */
  show(html: string): void;
  /** Notifies all parts of elements that were added. */
  notify(arrived: HTMLElement[]): void;
  /** Records the fragments from now on. The returned function ends the recording and applies them again. */
  record(): () => void;
  /** Shows an error message; without a text, that there is no answer from the server. */
  alert(text?: string): void;
  /** Shows a question with a button, for so many ms. */
  ask(text: string, label: string, run: () => void, duration?: number): void;
}

/** What the parts of one open conversation share. */
export interface OpenConversation extends Page {
  /** Aborted when the conversation is closed. */
  readonly closed: AbortSignal;
}

/** A part of the page. All methods are optional. */
export interface Part {
  /** Called before a fragment is applied. */
  beforeChange?(): void;
  /** Called with the elements that were added. */
  changed?(arrived: HTMLElement[]): void;
  /** Called before an element takes the place of an older one, to carry state over. */
  carry?(old: HTMLElement, incoming: HTMLElement): void;
  /** Called after another conversation was opened, or the open one closed. */
  opened?(): void;
  /** Called with the page as it is now, after events were missed. */
  refreshed?(loaded: Document): void | Promise<void>;
  /** `isDelayed`: by long polling. */
  connected?(isDelayed: boolean): void;
  /** `reason` as in the connector's `onDisconnected`. */
  disconnected?(reason: string): void;
}

/** Alerts the user of what concerns them. */
export interface Alerts extends Part {
  /** Of which conversations' new messages the user wants to be alerted, as in the page's `alerts`. */
  choose(alerts: string): void;
  /** The conversations with something unread, by view, and the ids of those which have more than before. */
  counted(views: Record<string, number>, more: string[]): void;
}

/** Shows whether the page is live. */
export interface Indicator extends Part {
  readonly isLive: boolean;
  warn(text: string): void;
  connected(isDelayed: boolean): void;
  disconnected(reason: string): void;
  ping(lag: number): void;
  ended(closing: { status?: number; reason: string }): void;
  /** Another user, of this name, is signed in. */
  replaced(name: string): void;
}

/** Performs an action on a stream's subject, as the connector does. */
export type Perform = (stream: string, action: string, data: Record<string, unknown>) => Promise<any>;

/** What a test replaces. */
export interface Environment {
  timers?: { setTimeout(run: () => void, delay: number): unknown; clearTimeout(timer: any): void };
  events?: { addEventListener?(name: string, handle: (event: Event) => void): void };
  locks?: { request(name: string, run: () => Promise<void>): Promise<unknown> };
}

/** What was written into a form, by the names of its fields. */
export type Texts = Record<string, unknown>;

/** The reply and the note of a conversation as the server has them. `version`: 0 without. */
export interface ServerDraft {
  reply: string;
  note: string;
  version: number;
}

/** They as this browser has them. */
export interface Draft extends ServerDraft {
  /** Whether the note is the one in the box. */
  private: boolean;
  /** What the server has, at `version`. */
  saved: { reply: string; note: string };
  /** Whether it certainly has the same. */
  isSaved: boolean;
  /** When the reply was begun, in ms of the server's time; 0 for an empty one. */
  since: number;
  /** What was posted to the server since its last answer, the newest last. */
  posted: { reply: string; note: string }[];
  /** What another device has written meanwhile. */
  other: { reply: string; note: string };
}

export interface Composer {
  readonly text: HTMLTextAreaElement;
  /** Adds to the text in the box, and focuses it. */
  insert(added: string): void;
  /** Focuses the text of a reply or of a private note. */
  write(isPrivate: boolean): void;
}

/** Editing messages in place: a part of the page, from the first edit on. */
export interface Editing {
  begin(message: HTMLElement): Promise<void>;
  carry(old: HTMLElement, incoming: HTMLElement): void;
  changed(arrived: HTMLElement[]): void;
}

/** What the conversation list shows; "" shows all. */
export interface View {
  /** Those of its rows, with spaces between them. */
  status: string;
  assignee: string;
  inbox: string;
  label: string;
  q: string;
  /** newest, oldest or waiting */
  sort: string;
  user: string;
}

/** A row's data. `isListed`: it was in the list before the change. */
export interface Row {
  /** The time of the last public message, as RFC 3339. */
  at?: string;
  /** Since when the customer waits; "" if they do not. */
  waiting?: string;
  conversation?: string;
  status?: string;
  assignee?: string;
  inbox?: string;
  /** The ids, with spaces between them. */
  labels?: string;
  isListed: boolean;
}

export interface Typist {
  name: string;
  private: boolean;
}

/** What is being typed before the caret, to be completed: the position of its sign, and the text after it. */
export type Typed = { from: number; query: string } | null;

/** What can take the place of it. */
export interface Option {
  text: string;
  /** What the list shows. */
  shown(): (Node | string)[];
  /** The places in the text that the user must fill in. */
  missing?: { start: number; end: number }[];
}

/** Completes one kind of what is being typed. */
export interface Source {
  /** Names the list. */
  label: string;
  typed(text: string, caret: number): Typed;
  find(query: string): Option[] | Promise<Option[]>;
  /** Called once an option stands in the text, at `from`. */
  inserted?(text: HTMLTextAreaElement, from: number, option: Option): void;
}

export interface CannedReply {
  id: number;
  shortcut: string;
  content: string;
}

/** A time as text, in the locale's words. */
export type Label = (date: Date, now?: Date, locale?: string) => string;

/** A message that the server has not confirmed. */
export interface UnsentMessage {
  conversation: string;
  content: string;
  /** The keys of its files, and their names. */
  attachments?: string[];
  files?: string;
  private: boolean;
  client_id: string;
  /** When it was written, in ms. */
  at: number;
  /** Why the last attempt failed, and its status; 0 without an answer. */
  why?: string;
  status?: number;
  /** Whether the server would refuse it again. */
  refused?: boolean;
}

/** The elements of the templates that modules look up. `| null`: not on every page. */
export interface ElementsById {
  announcement: HTMLElement;
  bulk: HTMLFormElement;
  "contact-presence": HTMLElement;
  "contact-read": HTMLDataElement;
  completions: HTMLElement;
  "composer-problem": HTMLElement;
  conversations: HTMLElement;
  "edit-message": HTMLTemplateElement;
  "file-to-send": HTMLTemplateElement;
  files: HTMLElement;
  "find-anything": HTMLButtonElement;
  keys: HTMLElement;
  "keys-help": HTMLDialogElement;
  left: HTMLElement;
  kept: HTMLElement;
  "label-choices": HTMLFormElement;
  "labels-menu": HTMLElement;
  live: HTMLElement;
  messages: HTMLElement | null;
  "new-messages": HTMLElement | null;
  "no-access": HTMLTemplateElement;
  "no-conversation": HTMLTemplateElement;
  newer: HTMLElement;
  notice: HTMLElement;
  "other-draft": HTMLElement;
  "notification-count": HTMLElement;
  alerts: HTMLFormElement;
  news: HTMLAnchorElement;
  notifications: HTMLElement;
  people: HTMLElement;
  "me-menu": HTMLDetailsElement;
  palette: HTMLDialogElement;
  present: HTMLElement;
  push: HTMLInputElement;
  "push-problem": HTMLElement;
  "rows-above": HTMLElement;
  search: HTMLElement;
  selecting: HTMLInputElement;
  seen: HTMLTemplateElement;
  sending: HTMLElement;
  "sending-message": HTMLTemplateElement;
  settings: HTMLElement;
  "status-menu": HTMLElement;
  "thread-labels": HTMLElement;
  snooze: HTMLFormElement | null;
  "snooze-until": HTMLFormElement;
  "thread-scroll": HTMLElement;
  "thread-status": HTMLElement | null;
  "thread-viewers": HTMLElement | null;
  toast: HTMLElement;
  thread: HTMLElement;
  typing: HTMLElement;
  "typing-line": HTMLElement;
  "unread-numbers": HTMLElement;
  viewing: HTMLElement;
}

export type ById = <Id extends keyof ElementsById>(id: Id) => ElementsById[Id];

export interface Find {
  <Tag extends keyof HTMLElementTagNameMap>(root: ParentNode, selector: Tag): HTMLElementTagNameMap[Tag];
  (root: ParentNode, selector: string): HTMLElement;
}
