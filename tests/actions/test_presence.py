import pytest
from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import Membership

from .refusals import Action

PATH = "/accounts/1/presence"


def stored(app, who):
    with app.app_context():
        return db.session.scalar(select(Membership.status).where(Membership.user_id == who.id))


@pytest.mark.parametrize("status", ["online", "busy", "offline"])
def test_a_status_is_kept(app, kevin, status):
    answer = kevin.post(PATH, {"status": status})
    shown = {} if status == "offline" else {str(kevin.id): status}
    hidden = [kevin.id] if status == "offline" else []
    assert (answer.status_code, answer.json) == (200, {"changed": shown, "left": hidden})
    assert stored(app, kevin) == status
    assert kevin.get("/me").json["memberships"][0]["status"] == status


def test_nobody_is_there_who_only_chose_a_status(ada, kevin):
    kevin.post(PATH, {"status": "busy"})
    answer = ada.get(PATH)
    assert answer.json["online_users"] == {}
    assert answer.json["cursor"]


@pytest.mark.parametrize(
    "body", [{}, {"status": "away"}, {"status": ""}, {"status": 1}, {"status": "online", "x": 1}]
)
def test_an_unknown_status_is_refused_and_changes_nothing(app, kevin, broker, body):
    answer = kevin.post(PATH, body)
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert stored(app, kevin) == "online"
    assert not broker.redis.keys("*presence*")


def test_another_account_is_not_there(kevin, nobody):
    assert kevin.post("/accounts/2/presence", {"status": "busy"}).status_code == 404
    assert kevin.get("/accounts/2/presence").status_code == 404
    assert kevin.get("/streams/accounts/2/presence").status_code == 404
    assert nobody.post(PATH, {"status": "busy"}).status_code == 401
    assert nobody.get(PATH).status_code == 401


def test_a_form_without_javascript_goes_back_to_the_page(kevin):
    answer = kevin.app.test_client().post(
        PATH, data={"status": "busy"}, headers={**kevin.headers, "Accept": "text/html"}
    )
    assert (answer.status_code, answer.location) == (303, "/accounts/1/conversations")


def test_bad_input_is_refused(refusals):
    refusals.hold(
        Action(
            path=PATH.replace("1", "{id}"),
            id=1,
            body={"status": "busy"},
            required=["status"],
            bad={"status": [None, "away", "", 1, ["busy"]]},
            foreign="account",
            grace=200,
            visitor=403,
        )
    )
