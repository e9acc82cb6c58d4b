from rtapp.events import control
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import User

FIRST_INBOX = "Website"


def create_account(name: str, administrator: User) -> Account:
    """Make an account with its administrator, and an inbox."""
    account = add_account(Account(name=name), administrator)
    db.session.commit()
    return account


def add_account(account: Account, administrator: User) -> Account:
    """Part of the caller's transaction. Both may be new."""
    db.session.add_all((account, administrator))
    db.session.flush()
    inbox = Inbox(account_id=account.id, name=FIRST_INBOX)
    own = Membership(account_id=account.id, user_id=administrator.id, role="administrator")
    db.session.add_all((inbox, own))
    db.session.flush()
    db.session.add(InboxMember(inbox_id=inbox.id, user_id=administrator.id))
    db.session.flush()
    control.recheck(administrator.id)
    return account
