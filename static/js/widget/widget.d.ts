/** The public interface of /widget.js: `window.rtappChat`. docs/widget.md shows its use. */

export interface RtappChat {
  /**
   * Proves who the visitor is, by a JWT that the website's server has signed, or a function that fetches one: it is called
   * again when a new proof is needed. Rejects with a ChatError.
   */
  identify(proof: string | (() => string | Promise<string>)): Promise<Contact>;
  /** Ends the visitor's session in this browser: nothing of it is shown any more. */
  logout(): Promise<void>;
  open(): void;
  close(): void;
  toggle(): void;
  /** Calls back on each such event. Returns a function that ends that. */
  on<Name extends keyof ChatEvents>(event: Name, callback: (value: ChatEvents[Name]) => void): () => void;
  /** Removes the chat from the page. The visitor's session stays: including the script again shows it again. */
  destroy(): void;
}

export interface ChatEvents {
  /** How many messages the visitor has not seen. */
  unread: number;
  /** A message for the visitor has come. */
  message: ChatMessage;
  open: undefined;
  close: undefined;
  error: ChatError;
}

export interface ChatMessage {
  id: number;
  conversation_id: number;
  content: string;
  sender: { id: number; name: string; type: "user" | "contact" };
  created_at: string;
}

export interface Contact {
  id: number;
  name: string;
  /** Whether a JWT has proved who it is. */
  verified: boolean;
}

/** `unavailable`: the chat could not be loaded; `destroyed`: after `destroy()`; others are the chat's own. */
export interface ChatError extends Error {
  type: string;
}

/** A call before the script has loaded: the stub of docs/widget.md keeps it. */
export type Call = [
  name: keyof RtappChat,
  values: unknown[],
  resolve?: (value: unknown) => void,
  reject?: (error: unknown) => void,
];

declare global {
  interface Window {
    /** Until the script has loaded, the stub: then `on` returns a promise. */
    rtappChat: RtappChat;
  }
}
