import { messageId } from "../messages.js";

/**
 * The text of a message as the server has it: what is shown may be cut, and is rendered. null if there is no answer, or if it
 * was deleted.
 *
 * @type {(message: HTMLElement, conversation: string) => Promise<{content: string, version: string} | null>}
 */
export async function fetchSource(message, conversation) {
  const id = messageId(message);
  message.ariaBusy = "true";
  try {
    const answer = await fetch(`/conversations/${conversation}/messages?after=${id - 1}&limit=1`, { headers: { Accept: "application/json" } });
    const [source] = (await answer.json()).messages;
    return source.id === id && (source.content || source.attachments.length) ? { content: source.content, version: String(source.version) } : null;
  } catch {
    return null;
  } finally {
    message.ariaBusy = null;
  }
}
