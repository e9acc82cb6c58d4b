/** The connector with a visitor's token, in place of a session. visitor.d.ts documents the interface. */

/** @import { Connector as PublicConnector } from "../connector" */
/** @import { VisitorConnectorOptions } from "../types" */

import { Connector } from "../base.js";
import { probe } from "../request.js";
import { FetchSource } from "./fetch_source.js";
import { TokenCredentials } from "./token_credentials.js";

export { ActionError } from "../perform.js";

/**
 * All requests have the token in `Authorization`, which a native EventSource can't send.
 *
 * @param {VisitorConnectorOptions} options
 * @returns {PublicConnector}
 */
export function connect({ token, ...options }) {
  const credentials = new TokenCredentials(token);
  const { fetch } = options;
  class Source extends FetchSource {
    /** @param {string} url */
    constructor(url) {
      super(url, { headers: () => credentials.headers, fetch });
    }
  }
  return new Connector({
    kind: "visitor",
    credentials,
    EventSource: Source,
    probe: (url) => probe(url, fetch, credentials.headers),
    ...options,
  });
}
