"""The doctor's page, for administrators, and how its own requests arrive here."""

from typing import Any

from flask import Blueprint
from flask import current_app
from flask import jsonify
from flask import render_template
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
from rtapp.doctor.run import run
from rtapp.errors import wants_html
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.realtime.handoff import HAND_OFF

from .management import NoFields

bp = Blueprint("doctor", __name__)

MANAGE = "have the installation checked"


@bp.get("/accounts/<id:account_id>/settings/doctor")
def page(account_id: int) -> Response | str:
    """What will be asked. Nothing is checked yet."""
    access.refuse_agent(access.membership_in(auth.signed_in(), account_id), MANAGE)
    settings: Settings = current_app.extensions["settings"]
    return rendered(account_id) if wants_html() else jsonify(url=settings.url)


@bp.post("/accounts/<id:account_id>/settings/doctor")
@ratelimits.examinations
def examine(account_id: int) -> Response | str:
    """Check the installation, which takes half a minute at most."""
    access.refuse_agent(access.membership_in(auth.signed_in(), account_id), MANAGE)
    validation.body(NoFields)
    db.session.rollback()  # no transaction stays open meanwhile
    findings = run()
    if wants_html():
        return rendered(account_id, findings)
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


def rendered(account_id: int, findings: list[Finding] | None = None) -> str:
    settings: Settings = current_app.extensions["settings"]
    return render_template(
        "manage/doctor.html",
        account=db.session.get_one(Account, account_id),
        url=settings.url,
        findings=findings,
        verdict=worst(findings) if findings is not None else None,
    )
