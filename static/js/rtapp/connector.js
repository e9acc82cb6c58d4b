/** The connector's former address, for pages that import it from here. */
export * from "../connector/connector.js";
