/** What the launcher and the chat in its frame exchange. Reasons: docs/decisions.md, "The launcher and the chat". */

/** The frame's first message to its parent, for each origin that may embed it: "I am here." */
export interface Hello {
  rtapp: "hello";
}

/** The answer to `Hello`, with one end of a MessageChannel. The first message through it is a `Session`. */
export interface Answer {
  rtapp: "session";
}

/** Sent first, and again when another tab of the website has changed the token. */
export interface Session {
  type: "session";
  token: string | null;
  page: string;
  /** A BCP 47 tag, or empty: of the script's `data-lang`, else of the page. */
  language: string;
  /** The page's. */
  title: string;
  open: boolean;
}

/** `id` is repeated in the answer: `identified`, `loggedOut` or `error`. */
export type ToChat =
  | Session
  | { type: "open" | "close" | "destroy" }
  | { type: "page"; url: string; title: string }
  | { type: "identify"; jwt: string; id: number }
  | { type: "logout"; id: number };

export type FromChat =
  | { type: "ready" }
  | { type: "token"; token: string | null }
  | { type: "unread"; count: number }
  | { type: "message"; message: object }
  | { type: "close" }
  | { type: "error"; error: { type: string; message: string }; id?: number }
  | { type: "identified"; contact: object; id?: number }
  | { type: "loggedOut"; id?: number };
