/** The former address of connector/turbo.js, for pages that import it from here. */
export * from "../connector/turbo.js";
