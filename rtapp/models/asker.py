"""Who asks, as much of them as a request needs: a row for each request, so not a mapped one."""

from dataclasses import dataclass

from .contact import Contact
from .user import User


@dataclass(frozen=True, slots=True)
class Colleague:
    """Someone of the team who has signed in."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Visitor:
    """A contact who has come with a token."""

    id: int
    name: str


# What is done for who asks is done for the rows that they are of, too.
Team = User | Colleague
Guest = Contact | Visitor
Asker = Team | Guest
