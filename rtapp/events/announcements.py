"""Ephemeral events: presence, typing, viewers and visitors, made from the changes of groups."""

import json
import math
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from rtapp import clock
from rtapp.realtime.announcer import Announcer
from rtapp.realtime.broker import Topic
from rtapp.realtime.burst import Ephemeral
from rtapp.realtime.contact_presence import CONTACT_PRESENCE
from rtapp.realtime.contact_presence import HOLDER
from rtapp.realtime.group import GroupDiff
from rtapp.realtime.group import Kind
from rtapp.realtime.group import Snapshot
from rtapp.realtime.group import Transition
from rtapp.realtime.inbox_presence import INBOX_PRESENCE
from rtapp.realtime.presence import PRESENCE
from rtapp.realtime.typing import TYPING

from . import audience
from . import catalogue
from . import presenters

OFFLINE = "offline"  # chosen by a connected user who wants to stay hidden


class Announcements(Announcer):
    def kinds(self, topic: Topic) -> tuple[Kind, ...]:
        return audience.kinds_of(topic.name)

    def announce(self, topic: Topic, kind: Kind, diff: GroupDiff) -> list[Ephemeral]:
        if kind is PRESENCE:
            data = presence(diff.transitions)
            return [ephemeral(topic, "presence_update", data)] if data else []
        if kind is TYPING:
            return [typing(topic, change) for change in diff.transitions]
        if kind is CONTACT_PRESENCE:
            return [contact(topic, change.before, change.after) for change in diff.transitions]
        if kind is INBOX_PRESENCE:
            present = bool(diff.siblings)
            changed = present != bool(before(diff))
            return [inbox_presence(topic, present)] if changed else []
        return viewers(topic, [change.holder for change in diff.transitions], diff.siblings)

    def snapshot(self, topic: Topic, kind: Kind, snapshot: Snapshot) -> list[Ephemeral]:
        present, gone = snapshot.present, snapshot.gone
        if kind is PRESENCE:
            return [ephemeral(topic, "presence_update", presenters.present(present))]
        if kind is INBOX_PRESENCE:
            return [inbox_presence(topic, bool(present))]
        if kind is TYPING:
            # Stops are sent too: the client may have received only the start.
            stopped = [Transition(holder, value, "") for holder, value in gone.items()]
            started = [Transition(holder, "", value) for holder, value in present.items()]
            ends_in = snapshot.ends_in
            return [
                *(typing(topic, change) for change in stopped),
                *(typing(topic, change, ends_in[change.holder] / 1000) for change in started),
            ]
        if kind is CONTACT_PRESENCE:
            # An absence too: the client may have received only the presence.
            return (
                [
                    contact(topic, gone.get(HOLDER, ""), present.get(HOLDER, "")),
                ]
                if present or gone
                else []
            )
        return viewers(topic, (*gone, *present), present)


def presence(transitions: Iterable[Transition]) -> dict[str, Any] | None:
    """The data of presence_update, or None without a visible change: `offline` counts as absent."""
    changed: dict[str, str] = {}
    left: list[int] = []
    for holder, before, after in transitions:
        was, now = (status if status != OFFLINE else "" for status in (before, after))
        if now and now != was:
            changed[holder] = now
        elif was and not now:
            left.append(int(holder))
    return {"changed": changed, "left": left} if changed or left else None


def before(diff: GroupDiff) -> set[str]:
    """The holders before the transitions of a group whose siblings are all its holders."""
    holders = set(diff.siblings)
    for change in reversed(diff.transitions):
        if change.before:
            holders.add(change.holder)
        else:
            holders.discard(change.holder)
    return holders


def inbox_presence(topic: Topic, present: bool) -> Ephemeral:
    """Whether a member of the inbox is there, and not who."""
    data = presenters.inbox_presence(topic.account_id, audience.inbox_of(topic.name), present)
    return ephemeral(topic, "inbox.presence", data)


def typing(topic: Topic, change: Transition, expires_in: float = TYPING.lasts) -> Ephemeral:
    """The event of a typist. `expires_in`: s until the typing ends by itself."""
    data = presenters.typing(
        audience.conversation_of(topic.name),
        change.holder,
        json.loads(change.after or change.before),
        is_typing=bool(change.after),
        expires_in=math.ceil(expires_in),
    )
    return ephemeral(topic, "typing", data)


def contact(topic: Topic, before: str, after: str) -> Ephemeral:
    """The event of a thread's customer. `before` and `after`: the contact's id, or "" for away."""
    data = presenters.contact_present(
        topic.account_id,
        audience.conversation_of(topic.name),
        int(after or before),
        is_present=bool(after),
    )
    return ephemeral(topic, "contact.presence", data)


def viewers(topic: Topic, holders: Iterable[str], present: Mapping[str, str]) -> list[Ephemeral]:
    """An event for each conversation that one of the holders views or has viewed."""
    conversations = {int(holder.partition("/")[0]) for holder in holders}
    return [
        ephemeral(topic, "conversation.viewers", presenters.viewers(conversation, present))
        for conversation in sorted(conversations)
    ]


def ephemeral(topic: Topic, event: str, data: Mapping[str, Any]) -> Ephemeral:
    """The event in its envelope. Raises CatalogueError if the data does not match the catalogue."""
    envelope = {
        "event": event,
        "stream": audience.stream_of(topic.name, topic.account_id),
        "timestamp": int(clock.now().timestamp()),
        "data": catalogue.checked(event, data),
    }
    return Ephemeral(event, catalogue.encode(envelope).encode())
