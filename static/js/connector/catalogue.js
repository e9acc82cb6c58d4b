/** The events, as rtapp/events/catalogue.py has them, and the callback of each: `onMessageCreated` of `message.created`. */

const EVENTS = [
  "message.created",
  "message.updated",
  "message.deleted",
  "conversation.created",
  "conversation.updated",
  "conversation.status_changed",
  "conversation.assignee_changed",
  "conversation.labels_changed",
  "conversation.contact_changed",
  "conversation.removed",
  "conversation.read",
  "conversation.viewers",
  "typing",
  "contact.presence",
  "presence_update",
  "notification.created",
  "notification.read",
  "unread.changed",
  "settings.changed",
  "inbox.presence",
];

/** @type {Record<string, string>} */
export const CALLBACKS = Object.fromEntries(
  EVENTS.map((event) => [event, `on.${event}`.replace(/[._]./g, (part) => part[1].toUpperCase())]),
);
