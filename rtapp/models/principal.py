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
    """A customer with a token: the columns of a contact that a request needs."""

    id: int
    name: str


# Rows act as principals too: a service takes either.
Agent = User | AgentIdentity
Customer = Contact | CustomerIdentity
Principal = Agent | Customer
