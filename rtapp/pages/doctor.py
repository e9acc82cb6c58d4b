"""The doctor's page, for administrators, and how its own requests arrive here."""

from typing import Any

from flask import Blueprint
from flask import current_app
from flask import jsonify
from flask import request
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import addresses
from rtapp import auth
from rtapp import ratelimits
from rtapp import validation
from rtapp.config import Settings
from rtapp.doctor import ticket
from rtapp.doctor.finding import Finding
from rtapp.doctor.finding import worst
from rtapp.doctor.finding import worst_first
from rtapp.doctor.run import run
from rtapp.errors import wants_html
from rtapp.extensions import db
from rtapp.models import User
from rtapp.realtime.handoff import HAND_OFF

from .management import NoFields
from .management import settings_page

bp = Blueprint("doctor", __name__)

MANAGE = "have the installation checked"


@bp.get("/accounts/<id:account_id>/settings/doctor")
def page(account_id: int) -> Response | str:
    """What will be asked. Nothing is checked yet."""
    user = auth.signed_in()
    access.refuse_agent(access.membership_in(user, account_id), MANAGE)
    return rendered(user, account_id) if wants_html() else jsonify(url=public_url())


@bp.post("/accounts/<id:account_id>/settings/doctor")
@ratelimits.examinations
def examine(account_id: int) -> Response | str:
    """Check the installation, which takes half a minute at most."""
    user = auth.signed_in()
    access.refuse_agent(access.membership_in(user, account_id), MANAGE)
    validation.body(NoFields)
    db.session.rollback()  # no transaction stays open meanwhile
    findings = run()
    if wants_html():
        return rendered(user, account_id, findings)
    return jsonify(verdict=worst(findings), findings=[one._asdict() for one in findings])


@bp.get("/doctor/seen")
def seen() -> dict[str, Any]:
    """How this request arrives, for the doctor, which has a ticket."""
    ticket.probe_of(request.args.get("ticket", ""))
    return {
        "address": addresses.client(),
        "forwarded_for": request.headers.get("X-Forwarded-For", ""),
        "scheme": request.scheme,
        "hand_off": HAND_OFF in request.environ,
    }


def public_url() -> str | None:
    settings: Settings = current_app.extensions["settings"]
    return settings.url


def rendered(user: User, account_id: int, findings: list[Finding] | None = None) -> str:
    return settings_page(
        "manage/doctor.html",
        user,
        account_id,
        url=public_url(),
        findings=worst_first(findings) if findings is not None else None,
        verdict=worst(findings) if findings is not None else None,
    )
