/** 128 random bits, as text. `crypto.randomUUID` exists in secure contexts only. */
export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("-");
}
