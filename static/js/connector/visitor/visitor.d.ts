/** The public interface of visitor.js: connector.js for a visitor's token, in place of a session. */

import type { Connector, ConnectOptions } from "../connector";

export { ActionError } from "../connector";
export type * from "../connector";

export interface VisitorOptions extends Omit<ConnectOptions, "csrf" | "renew"> {
  /** The id of the visitor's contact. With `account`, the tabs of the visitor share a connection. */
  user?: ConnectOptions["user"];
  /**
   * Returns the visitor's token, which is sent in the header `Authorization`. It is called before the first request, and
   * again once the server has refused the last token. null, or the same token, is final; an exception is not, and the
   * function is called again later.
   */
  token: () => string | null | Promise<string | null>;
}

export function connect(options: VisitorOptions): Connector;
