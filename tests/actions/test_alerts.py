import pytest

from .refusals import Action

PATH = "/accounts/1/alerts"


def stored(agent):
    return agent.get("/me").json["memberships"][0]["alerts"]


@pytest.mark.parametrize("alerts", ["inboxes", "mine_and_unassigned", "mine"])
def test_the_choice_of_alerts_is_stored_for_the_user_alone(kevin, ada, alerts):
    answer = kevin.post(PATH, {"alerts": alerts})
    assert (answer.status_code, answer.json) == (200, {"alerts": alerts})
    assert stored(kevin) == alerts
    assert stored(ada) == "mine_and_unassigned"


def test_choosing_alerts_refuses_bad_input(refusals):
    refusals.check(
        Action(
            path=PATH.replace("1", "{id}"),
            id=1,
            body={"alerts": "mine"},
            required=["alerts"],
            bad={"alerts": [None, "nobody", "", 1, ["mine"]]},
            foreign="account",
            grace=200,
            visitor=403,
        )
    )
