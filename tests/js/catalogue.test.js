import assert from "node:assert/strict";
import test from "node:test";

import { CALLBACKS } from "../../static/js/connector/catalogue.js";

test("a callback is named after its event", () => {
  assert.equal(CALLBACKS["message.created"], "onMessageCreated");
  assert.equal(CALLBACKS["conversation.status_changed"], "onConversationStatusChanged");
  assert.equal(CALLBACKS.presence_update, "onPresenceUpdate");
  assert.equal(CALLBACKS.typing, "onTyping");
  assert.equal(CALLBACKS["stream.open"], undefined);
});
