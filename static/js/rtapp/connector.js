/** Former address. */
export * from "../connector/connector.js";
