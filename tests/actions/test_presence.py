import pytest
from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import Membership

from .refusals import Action

PATH = "/accounts/1/presence"


def stored(app, agent):
    with app.app_context():
        return db.session.scalar(select(Membership.status).where(Membership.user_id == agent.id))


@pytest.mark.parametrize("status", ["online", "busy", "offline"])
def test_a_chosen_presence_status_is_stored_and_returned(app, kevin, status):
    answer = kevin.post(PATH, {"status": status})
    shown = {} if status == "offline" else {str(kevin.id): status}
    hidden = [kevin.id] if status == "offline" else []
    assert (answer.status_code, answer.json) == (200, {"changed": shown, "left": hidden})
    assert stored(app, kevin) == status
    assert kevin.get("/me").json["memberships"][0]["status"] == status


def test_an_agent_without_a_stream_is_not_online_whatever_their_status(ada, kevin):
    kevin.post(PATH, {"status": "busy"})
    answer = ada.get(PATH)
    assert answer.json["online_users"] == {}
    assert answer.json["cursor"]


@pytest.mark.parametrize(
    "body",
    [{}, {"status": "away"}, {"status": ""}, {"status": 1}, {"status": "online", "x": 1}],
    ids=str,
)
def test_an_unknown_presence_status_is_refused_and_changes_nothing(app, kevin, broker, body):
    answer = kevin.post(PATH, body)
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert stored(app, kevin) == "online"
    assert not broker.redis.keys("*presence*")


def test_presence_of_another_account_is_404_and_without_sign_in_401(kevin, nobody):
    assert kevin.post("/accounts/2/presence", {"status": "busy"}).status_code == 404
    assert kevin.get("/accounts/2/presence").status_code == 404
    assert kevin.get("/streams/accounts/2/presence").status_code == 404
    assert nobody.post(PATH, {"status": "busy"}).status_code == 401
    assert nobody.get(PATH).status_code == 401


def test_a_form_sets_the_presence_status_and_redirects_to_the_list(kevin):
    answer = kevin.app.test_client().post(
        PATH, data={"status": "busy"}, headers={**kevin.headers, "Accept": "text/html"}
    )
    assert (answer.status_code, answer.location) == (303, "/accounts/1/conversations")


def test_setting_the_presence_status_refuses_bad_input(refusals):
    refusals.check(
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
