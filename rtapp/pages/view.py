"""What a page of the inbox shows: the view of the list, the part of the thread, and the words of an
empty list."""

from collections.abc import Sequence
from typing import Annotated
from typing import Any
from typing import Literal
from typing import Self
from urllib.parse import urlencode

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field

from rtapp.config import ID_LIMIT
from rtapp.config import QUERY_LIMIT
from rtapp.models import Membership
from rtapp.models.conversation import SPAM
from rtapp.models.conversation import STATUSES
from rtapp.models.conversation import Status
from rtapp.text import isolated
from rtapp.validation import OrNone
from rtapp.validation import Text

Viewed = Annotated[int, Field(ge=1, le=ID_LIMIT)]


class View(BaseModel):
    """The filter and the order of a list of conversations. Without a `status`, a page shows the
    open ones, or searches all; JSON has all, as with `any`: all but spam."""

    status: Literal[Status, "any"] | None = None
    assignee: Annotated[str, Field(pattern=r"^(me|none|[1-9][0-9]{0,8})$")] | None = None
    inbox: Annotated[Viewed | None, OrNone] = None
    label: Annotated[Viewed | None, OrNone] = None
    q: Annotated[Text, Field(max_length=QUERY_LIMIT)] | None = None
    sort: Literal["newest", "oldest", "waiting"] = "newest"

    def on_page(self) -> Self:
        """The view as a page shows it."""
        return self.model_copy(update={"status": self.status or default_status(self.q)})

    @property
    def statuses(self) -> Sequence[str]:
        """Those of the conversations on a page with this view."""
        if self.status in (None, "any"):
            return [status for status in STATUSES if status != SPAM]
        return [self.status]

    @property
    def has_default_status(self) -> bool:
        return self.status == default_status(self.q)

    @property
    def is_filtered(self) -> bool:
        narrowed = bool(self.assignee or self.inbox or self.label)
        return narrowed or self.status != "any" or self.sort == "waiting"

    def query(self, **changes: Any) -> str:
        """The query string of a page with this view and these changes; "" for the default view."""
        fields = {name: getattr(self, name) for name in View.model_fields} | changes
        defaults = {"status": default_status(fields["q"]), "sort": "newest"}
        present = {
            name: value for name, value in fields.items() if value and value != defaults.get(name)
        }
        return f"?{urlencode(present)}" if present else ""


def default_status(q: str | None) -> str:
    return "any" if q else "open"


class ThreadView(View):
    """The part of a thread to show: `before`, `after` or around a `message`, else the newest.

    `edit` is the message that the user is editing. `part`: the thread alone, without the list, for
    a page that has it."""

    model_config = ConfigDict(extra="ignore")

    before: Viewed | None = None
    after: Annotated[int, Field(ge=0, le=ID_LIMIT)] | None = None
    message: Viewed | None = None
    edit: Viewed | None = None
    part: Literal["thread"] | None = None


def nothing_in(view: View, membership: Membership, inboxes: Sequence[int]) -> str:
    """The words of the empty list. They promise nothing that can't come into this view."""
    among = "" if view.status == "any" else f"{view.status} "
    if view.q:
        here = f" in these {among}conversations" if view.is_filtered else ""
        return f"Nothing found for “{isolated(view.q)}”{here}."
    is_administrator = membership.role == "administrator"
    only_assigned = membership.sees == "assigned" and not is_administrator
    if not inboxes and is_administrator:
        return "There is no inbox yet."
    if not inboxes and not only_assigned:
        return "You are in no inbox yet. An administrator can add you to one."
    if view.inbox is not None and view.inbox not in inboxes and not only_assigned:
        return "This inbox is none of yours."
    if view.sort == "waiting":
        return f"Nobody waits for an answer in these {among}conversations."
    if view.status not in ("open", "any"):
        return f"No {among}conversations here."
    if view.assignee == "me" or only_assigned:
        return f"No {among}conversations are yours. What is assigned to you appears by itself."
    if view.assignee not in (None, "none"):
        return f"No {among}conversations here."
    return f"No {among}conversations here. New ones appear by themselves."
