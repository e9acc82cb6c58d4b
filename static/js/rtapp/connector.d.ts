export * from "../connector/connector.js";
