"""Administration commands: `flask --app app …`, a file for each noun. Each works while the server
runs."""

from .account import account
from .backup import backup
from .backup import restore
from .doctor import doctor
from .inbox import inbox
from .invitation import invitation
from .member import member
from .outbox import outbox
from .password import password
from .retention import retention
from .second_factor import second_factor
from .setup import setup
from .token import token
from .user import user
from .vapid import vapid
from .website import website

COMMANDS = (
    setup,
    account,
    user,
    token,
    inbox,
    website,
    member,
    invitation,
    password,
    outbox,
    retention,
    second_factor,
    vapid,
    backup,
    restore,
    doctor,
)
