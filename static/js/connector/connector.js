/** Live streams for a page. connector.d.ts documents the interface, docs/connector.md shows its use. */

/** @import { ConnectOptions, Connector as PublicConnector } from "./connector" */

import { Connector } from "./base.js";
import { Credentials } from "./credentials.js";

export { ActionError } from "./perform.js";

/** @type {(options: ConnectOptions) => PublicConnector} */
export function connect(options) {
  if ("token" in options) throw new TypeError("connect() of visitor.js takes a token.");
  return new Connector({ credentials: new Credentials(options), ...options });
}
