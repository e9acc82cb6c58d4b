"""The principal of a request: an agent or a customer.

Identities are read for each request. They are not mapped rows, which cost more.
"""

from dataclasses import dataclass

from .contact import Contact
from .user import User


@dataclass(frozen=True, slots=True)
class AgentIdentity:
    """A signed-in agent: the columns of a user that a request needs."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class CustomerIdentity:
    """A customer with a token: the columns of a contact that a request needs. `inbox_id`: of a
    visitor of its website, who has the contact's conversations there; None for all of them.
    `blocked`: of a merged contact, as the one is that has its conversations."""

    id: int
    name: str
    inbox_id: int | None = None
    blocked: bool = False


# Rows act as principals too: a service takes either.
Agent = User | AgentIdentity
Customer = Contact | CustomerIdentity
Principal = Agent | Customer
