"""`flask --app app account …`, `inbox …` and `member …`: what a script calls twice is done once."""

import pytest
from sqlalchemy import func
from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import InboxMember
from rtapp.models import Membership

from ..support import outbox_drained
from ..world import all_rows

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def run(app):
    def run(line: str):
        return app.test_cli_runner().invoke(args=line.split())

    return run


@pytest.fixture
def zoe(run, app):
    """A user without an account."""
    words = ["user", "create", "zoe@x.example", "--name", "Zoe"]
    made = app.test_cli_runner().invoke(args=words, input="correct horse\n")
    assert made.exit_code == 0, made.output
    return "zoe@x.example"


def done_once(app, run, line: str):
    """Runs the command twice: the second time it succeeds, says so, and changes nothing."""
    first = run(line)
    assert first.exit_code == 0, first.output
    assert outbox_drained(app)
    rows = all_rows(app)
    again = run(line)
    assert again.exit_code == 0, again.output
    assert all_rows(app) == rows
    return first.output, again.output


def test_an_account_is_made_once_with_its_administrator_and_an_inbox(app, run, zoe):
    first, again = done_once(app, run, f"account create Lamps --administrator {zoe}")
    assert "Next: flask --app app invitation create 2" in first
    assert "nothing was changed" in again
    assert run("account list").output.splitlines() == ["1\tAcme", "2\tLamps"]
    assert "2\tadministrator\tinbox" not in run("member list 1").output
    assert f"administrator\tinbox\t{zoe}\tZoe" in run("member list 2").output
    assert "Website" in run("inbox list").output.splitlines()[-1]


def test_a_member_is_added_set_and_removed(app, run, zoe):
    first, again = done_once(app, run, f"member add 1 {zoe} --inbox 2 --sees assigned")
    assert "is a member" in first
    assert "member already" in again
    assert f"agent\tassigned\t{zoe}" in run("member list 1").output
    with app.app_context():
        assigned = Membership.user_id.in_(
            select(Membership.user_id).where(Membership.sees == "assigned")
        )
        own = select(InboxMember.inbox_id).join(
            Membership, Membership.user_id == InboxMember.user_id
        )
        assert db.session.scalars(own.where(assigned)).all() == [2]
    first, _ = done_once(app, run, f"member set 1 {zoe} --role administrator")
    assert "is administrator of account 1, and sees: assigned" in first
    first, _ = done_once(app, run, f"member set 1 {zoe} --sees inbox")
    assert "is administrator of account 1, and sees: inbox" in first
    first, again = done_once(app, run, f"member remove 1 {zoe}")
    assert f"user disable {zoe}" in first
    assert "nothing was changed" in again
    assert zoe not in run("member list 1").output


def test_an_inbox_is_made_renamed_and_joined(app, run):
    first, again = done_once(app, run, "inbox create 1 Telephone")
    assert "Next: flask --app app inbox add 3 EMAIL" in first
    assert "nothing was changed" in again
    first, _ = done_once(app, run, "inbox rename 3 Fax")
    assert first == "Inbox 3 is Fax.\n"
    done_once(app, run, "inbox add 3 kevin@example.com")
    done_once(app, run, "inbox remove 3 kevin@example.com")
    done_once(app, run, "account rename 1 Acme-Lamps")
    assert run("account list").output == "1\tAcme-Lamps\n"


@pytest.mark.parametrize(
    ("line", "error"),
    [("account create Lamps --administrator no@x.example", "no user with the address"),
     ("account rename 9 Lamps", "There is no account 9"),
     ("account rename 9999999999 Lamps", "There is no account"),
     (f"account rename 1 {'x' * 201}", "at most 200 characters"),
     ("account rename 1 \u200b", "The name must not be empty"),
     ("inbox create 9 Fax", "There is no account 9"),
     ("inbox rename 9 Fax", "There is no inbox 9"),
     ("inbox rename 9999999999 Fax", "There is no inbox"),
     ("inbox add 1 zoe@x.example", "is no member of account 1"),
     ("inbox create 1 \u200b", "The name must not be empty"),
     ("member add 9 kevin@example.com", "There is no account 9"),
     ("member add 1 zoe@x.example --inbox 9", "There is no inbox 9"),
     ("member set 1 zoe@x.example", "is no member of account 1"),
     ("member remove 1 ada@example.com", "last administrator"),
     ("member set 1 ada@example.com --role agent", "last administrator"),
     ("member set 1 kevin@example.com", "name --role, --sees or both"),
     ("member list 9", "There is no account 9")],
)  # fmt: skip
def test_what_can_not_be_done_is_refused_in_a_sentence_and_changes_nothing(
    app, run, zoe, line, error
):
    assert outbox_drained(app)
    rows = all_rows(app)
    refused = run(line)
    assert refused.exit_code == 1
    assert error in refused.output
    assert "Traceback" not in refused.output
    assert all_rows(app) == rows


def test_an_inbox_of_another_account_and_a_disabled_administrator_are_refused(app, run, zoe):
    assert run(f"account create Lamps --administrator {zoe}").exit_code == 0
    refused = run("member add 2 kevin@example.com --inbox 1")
    assert (refused.exit_code, "is not of account 2" in refused.output) == (1, True)
    assert run("user disable kevin@example.com").exit_code == 0
    refused = run("account create Other --administrator kevin@example.com")
    assert (refused.exit_code, "is disabled" in refused.output) == (1, True)
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Account)) == 2
