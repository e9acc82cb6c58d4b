from rtapp.extensions import db
from rtapp.models import Account

from .account_rows import change_row
from .account_rows import reset_members


def rename_account(account: Account, name: str) -> None:
    """Set the account's name. The same one publishes nothing. Raises NotFound if it was deleted
    meanwhile."""
    if account.name == name:
        return
    change_row(account, name=name)
    reset_members(account.id)
    db.session.commit()
