import logging

from sqlalchemy import delete
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from rtapp import clock
from rtapp import totp
from rtapp.errors import Unprocessable
from rtapp.events.own_settings import own_settings_changed
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Membership
from rtapp.models import RecoveryCode
from rtapp.models import SecondFactor
from rtapp.models import User
from rtapp.models import lock_user

from .end_access import end_access_without_second_factor
from .end_access import end_sessions
from .verify_code import hash_of
from .verify_code import make_recovery_code
from .verify_code import plain
from .verify_code import secret_of
from .verify_code import verify_code

RECOVERY_CODES = 10
WRONG_CODE = "is wrong or was used already; take the one that the app shows now"
logger = logging.getLogger(__name__)


def turn_on_second_factor(user: User, salt: str, code: str) -> list[str]:
    """Have the user sign in with the codes of the secret of `salt`. Returns the recovery codes.

    `code` shows that the app has the secret. Raises Unprocessable for a wrong one, and for a user
    who has a second factor already.
    """
    step = totp.step_of(secret_of(user.id, salt), plain(code), clock.now())
    if step is None:
        raise refused(WRONG_CODE)
    try:
        db.session.add(SecondFactor(user_id=user.id, salt=salt, last_step=step))
        db.session.flush()
    except IntegrityError as error:
        db.session.rollback()
        raise refused("is not needed: two-step sign-in is on already") from error
    codes = replace_recovery_codes(user.id)
    own_settings_changed(user.id, "second_factor")
    db.session.commit()
    logger.info("User %s turned two-step sign-in on", user.id)
    return codes


def renew_recovery_codes(user: User, code: str) -> list[str]:
    """New recovery codes; the earlier ones end. Raises Unprocessable for a wrong code."""
    use(user, code)
    codes = replace_recovery_codes(user.id)
    own_settings_changed(user.id, "second_factor")
    db.session.commit()
    return codes


def turn_off_second_factor(user: User, code: str) -> None:
    """Raises Unprocessable for a wrong code, and where an account requires the second factor."""
    if requiring := requiring_account(user.id):
        raise refused(f"can't turn it off: {requiring} requires two-step sign-in")
    use(user, code)
    delete_second_factor(user)
    own_settings_changed(user.id, "second_factor")
    db.session.commit()
    logger.warning("User %s turned two-step sign-in off", user.id)


def remove_second_factor(user: User, by: User | None = None) -> bool:
    """Have a user who lost the app sign in with the password alone, or set it up anew where an
    account requires it: there their tokens end too. Returns whether they had a second factor."""
    lock_user(user.id)
    had = has_second_factor(user.id)
    if had:
        delete_second_factor(user)
        end_sessions(user.id)
        end_access_without_second_factor(user_id=user.id)
        who = f"user {by.id}" if by is not None else "a command"
        logger.warning("Two-step sign-in of user %s was turned off by %s", user.id, who)
    db.session.commit()
    return had


def delete_second_factor(user: User) -> None:
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    db.session.execute(delete(SecondFactor).where(SecondFactor.user_id == user.id))


def has_second_factor(user_id: int) -> bool:
    return db.session.get(SecondFactor, user_id, populate_existing=True) is not None


def requiring_account(user_id: int) -> str | None:
    """The name of an account of the user's that requires a second factor, None without one."""
    name: str | None = db.session.scalar(
        select(Account.name)
        .join(Membership, Membership.account_id == Account.id)
        .where(Membership.user_id == user_id, Account.requires_second_factor)
        .order_by(Account.id)
        .limit(1)
    )
    return name


def recovery_codes_left(user_id: int) -> int:
    query = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user_id)
    return db.session.scalar(query) or 0


def use(user: User, code: str) -> None:
    if not verify_code(user.id, code):
        db.session.rollback()
        raise refused(WRONG_CODE)


def replace_recovery_codes(user_id: int) -> list[str]:
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = [make_recovery_code() for _ in range(RECOVERY_CODES)]
    db.session.add_all(RecoveryCode(user_id=user_id, hash=hash_of(code)) for code in codes)
    return codes


def refused(predicate: str) -> Unprocessable:
    return Unprocessable(f"The code {predicate}.", errors={"code": [predicate]})
