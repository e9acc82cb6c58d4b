/** Former address. */
export * from "../connector/turbo.js";
