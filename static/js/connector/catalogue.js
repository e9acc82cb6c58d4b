/** The callback for each event, as rtapp/events/catalogue.py has them. */

/** @type {Record<string, string>} */
export const CALLBACKS = {
  "message.created": "onMessageCreated",
  "message.updated": "onMessageUpdated",
  "message.deleted": "onMessageDeleted",
  "conversation.created": "onConversationCreated",
  "conversation.updated": "onConversationUpdated",
  "conversation.status_changed": "onConversationStatusChanged",
  "conversation.assignee_changed": "onConversationAssigneeChanged",
  "conversation.labels_changed": "onConversationLabelsChanged",
  "conversation.contact_changed": "onConversationContactChanged",
  "conversation.removed": "onConversationRemoved",
  "conversation.read": "onConversationRead",
  "conversation.viewers": "onConversationViewers",
  "typing": "onTyping",
  "presence_update": "onPresenceUpdate",
  "notification.created": "onNotificationCreated",
  "notification.read": "onNotificationRead",
  "unread.changed": "onUnreadChanged",
  "settings.changed": "onSettingsChanged",
};
