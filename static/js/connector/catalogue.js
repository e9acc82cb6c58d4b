/**
 * Every event that a stream may bring, and the callback that hears of it: the twin of rtapp/events/catalogue.py, with
 * which a test compares it.
 */

export const CALLBACKS = {
  "message.created": "onMessageCreated",
  "message.updated": "onMessageUpdated",
  "message.deleted": "onMessageDeleted",
  "conversation.created": "onConversationCreated",
  "conversation.updated": "onConversationUpdated",
  "conversation.status_changed": "onConversationStatusChanged",
  "conversation.assignee_changed": "onConversationAssigneeChanged",
  "conversation.removed": "onConversationRemoved",
  "conversation.read": "onConversationRead",
  "conversation.viewers": "onConversationViewers",
  "typing": "onTyping",
  "presence_update": "onPresenceUpdate",
  "notification.created": "onNotificationCreated",
  "notification.read": "onNotificationRead",
  "unread.changed": "onUnreadChanged",
};
