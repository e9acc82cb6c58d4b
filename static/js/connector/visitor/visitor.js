/** The connector with a visitor's token, in place of a session. visitor.d.ts documents the interface. */

/** @import { Connector } from "../connector" */
/** @import { ConnectorOptions, VisitorConnectorOptions } from "../types" */

import { connect as connectAs } from "../connector.js";
import { FetchSource } from "./fetch_source.js";
import { probe } from "../request.js";
import { TokenCredentials } from "./token_credentials.js";

export { ActionError } from "../connector.js";

/**
 * All requests have the token in `Authorization`, which a native EventSource can't send.
 *
 * @param {VisitorConnectorOptions} options
 * @returns {Connector}
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
  /** @type {ConnectorOptions} */
  const withToken = {
    kind: "visitor",
    credentials,
    EventSource: Source,
    probe: (url) => probe(url, fetch, credentials.headers),
    ...options,
  };
  return connectAs(withToken);
}
