"""The labels of an account: a list, and the page on which administrators change it."""

from typing import Annotated

from flask import Blueprint
from flask import jsonify
from flask import url_for
from pydantic import AfterValidator
from pydantic import Field
from sqlalchemy import func
from sqlalchemy import select
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import validation
from rtapp.answers import answer
from rtapp.answers import done
from rtapp.config import HUES
from rtapp.config import LABEL_LIMIT
from rtapp.errors import Unprocessable
from rtapp.errors import wants_html
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import ConversationLabel
from rtapp.models import Label
from rtapp.models import User
from rtapp.services.change_account_labels import change_label
from rtapp.services.change_account_labels import create_label
from rtapp.services.change_account_labels import delete_label
from rtapp.text import not_blank
from rtapp.text import single_spaced
from rtapp.validation import Body
from rtapp.validation import Text

from .management import NoFields
from .management import Refusal
from .management import fresh_cursor
from .management import refusal
from .management import settings_page

bp = Blueprint("label", __name__)

MANAGE = "change the labels of the account"

Title = Annotated[
    Text, AfterValidator(not_blank), AfterValidator(single_spaced), Field(max_length=LABEL_LIMIT)
]


class LabelFields(Body):
    title: Title
    colour: Annotated[int, Field(ge=0, lt=HUES)]


@bp.get("/accounts/<id:account_id>/labels")
def several(account_id: int) -> Response | str:
    """The account's labels, by title, as a page or as JSON."""
    user = auth.signed_in()
    access.membership_in(user, account_id)
    if wants_html():
        return page(user, account_id)
    return jsonify(labels=[presenters.label(row) for row in labels_of(account_id)])


@bp.post("/accounts/<id:account_id>/labels")
def create(account_id: int) -> Response | tuple[str, int]:
    """Make a label."""
    user = auth.signed_in()
    access.refuse_agent(access.membership_in(user, account_id), MANAGE)
    try:
        new = validation.body(LabelFields)
        label = create_label(account_id, new.title, new.colour)
    except Unprocessable as problem:
        return page(user, account_id, refusal(problem, None)), 422
    return answer(presenters.label(label), 201, page_of(account_id))


@bp.post("/labels/<id:label_id>")
def change(label_id: int) -> Response | tuple[str, int]:
    """Rename a label, or give it another colour."""
    user = auth.signed_in()
    label = changeable_label(user, label_id)
    account_id = label.account_id
    try:
        new = validation.body(LabelFields)
        change_label(label, new.title, new.colour)
    except Unprocessable as problem:
        return page(user, account_id, refusal(problem, label_id)), 422
    return answer(presenters.label(label), 200, page_of(account_id))


@bp.post("/labels/<id:label_id>/delete")
def remove(label_id: int) -> Response:
    """Delete a label, and take it off every conversation."""
    label = changeable_label(auth.signed_in(), label_id)
    validation.body(NoFields)
    delete_label(label)
    return done(page_of(label.account_id))


def changeable_label(user: User, label_id: int) -> Label:
    label = access.label_for(user, label_id)
    access.refuse_agent(access.membership_in(user, label.account_id), MANAGE)
    return label


def page_of(account_id: int) -> str:
    return url_for("label.several", account_id=account_id)


def page(user: User, account_id: int, refused: Refusal | None = None) -> str:
    cursor = fresh_cursor(account_id)
    labels = labels_of(account_id)
    return settings_page(
        "manage/labels.html",
        user,
        account_id,
        cursor=cursor,
        may_change=access.membership_in(user, account_id).role == "administrator",
        labels=labels,
        uses=uses_of(labels),
        hues=range(HUES),
        title_limit=LABEL_LIMIT,
        refused=refused,
    )


def labels_of(account_id: int) -> list[Label]:
    """The account's labels, by title."""
    query = select(Label).where(Label.account_id == account_id).order_by(Label.folded)
    return list(db.session.scalars(query))


def uses_of(labels: list[Label]) -> dict[int, int]:
    """The number of conversations of each label that has any, by its id."""
    query = (
        select(ConversationLabel.label_id, func.count())
        .where(ConversationLabel.label_id.in_([label.id for label in labels]))
        .group_by(ConversationLabel.label_id)
    )
    rows = db.session.execute(query)
    return {row[0]: row[1] for row in rows}
