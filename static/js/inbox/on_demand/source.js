import { messageId } from "../messages.js";

/**
 * The text of a message as the server has it: what is shown may be cut, and is rendered. null if there is no answer, or if it
 * was deleted. `names`: of its files.
 *
 * @type {(message: HTMLElement, conversation: string) => Promise<{content: string, names: string, version: string} | null>}
 */
export async function fetchSource(message, conversation) {
  const id = messageId(message);
  message.ariaBusy = "true";
  try {
    const answer = await fetch(`/conversations/${conversation}/messages?after=${id - 1}&limit=1`, { headers: { Accept: "application/json" } });
    const [source] = (await answer.json()).messages;
    if (source.id !== id || (!source.content && !source.attachments.length)) return null;
    const names = source.attachments.map((/** @type {{name: string}} */ { name }) => name).join("\n");
    return { content: source.content, names, version: String(source.version) };
  } catch {
    return null;
  } finally {
    message.ariaBusy = null;
  }
}
