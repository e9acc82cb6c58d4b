"""The demo account: users, and conversations with realistic threads."""

from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import func
from sqlalchemy import select

from rtapp import clock
from rtapp import passwords
from rtapp.events import customer_presenters
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import CannedReply
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import Label
from rtapp.models import Membership
from rtapp.models import Message
from rtapp.models import ReadMarker
from rtapp.models import User
from rtapp.models import Website

PASSWORD = passwords.DEMO_PASSWORD


class DemoPasswords(Exception):
    """The demo's password opens an account in production. The text names the users."""


class Person(NamedTuple):
    name: str
    email: str
    role: str
    inboxes: tuple[str, ...]
    about: str


WEBSITE, EMAIL = "Website chat", "Orders by email"
KEY = "demo"  # of the chat of WEBSITE
ORIGINS = ("http://localhost:8080", "http://127.0.0.1:8080")  # python3 -m http.server 8080

PEOPLE = (
    Person("Ada", "ada@example.com", "administrator", (WEBSITE, EMAIL), "administrator, sees all"),
    Person("Kevin", "kevin@example.com", "agent", (WEBSITE,), f"agent of {WEBSITE}"),
    Person("Grace", "grace@example.com", "agent", (EMAIL,), f"agent of {EMAIL}"),
)

ASK = "the contact"

# Speaker and text. "Ada!" is the author of a private note, "Ada*" of an activity.
Line = tuple[str, str]


# Title and colour.
LABELS = (("Billing", 1), ("Delivery", 5), ("VIP", 3))

# Shortcut and text.
CANNED_REPLIES = (
    ("hello", "Hello {{contact.first_name}},\n\nthank you for writing to us. I'll look into it."),
    ("sorry", "I'm sorry about that, {{contact.first_name}}. I have asked the courier."),
    ("bye", "Is there anything else I can do for you?\n\nKind regards,\n{{agent.name}}"),
)


class Thread(NamedTuple):
    inbox: str
    contact: str
    status: str
    assignee: str | None
    minutes_ago: int
    lines: tuple[Line, ...]
    labels: tuple[str, ...] = ()


THREADS = (
    Thread(WEBSITE, "Maria Lindqvist", "open", "Kevin", 4, (
        (ASK, "Hi! My order #10482 says “delivered”, but there is nothing at my door."),
        ("Kevin", "Hello Maria, I'm sorry to hear that. Let me look at the courier's note."),
        ("Kevin", "It says it was left with a neighbour at number 12. Could you check with them?"),
        (ASK, "I just rang there and nobody knows anything about it."),
        ("Kevin!", "Third complaint about this courier this week. @Ada should we reship at once?"),
    ), ("Delivery",)),
    Thread(WEBSITE, "Tom Okafor", "open", None, 11, (
        (ASK, "Is there a way to change the size after ordering? I took M and need L."),
    )),
    Thread(WEBSITE, "Yuki Tanaka", "open", "Ada", 27, (
        (ASK, "The discount code SPRING gives me an error at checkout."),
        ("Ada", "Thanks for telling us! What does the error say, exactly?"),
        (ASK, "“This code can't be combined with other offers.” I have no other offers…"),
        ("Ada", "Found it: free shipping counted as an offer. It is fixed, please try again."),
        (ASK, "Works! That was quick, thank you."),
    )),
    Thread(WEBSITE, "Priya Nair", "pending", "Kevin", 63, (
        (ASK, "Do you ship to Iceland?"),
        ("Kevin", "We do! It takes six to nine days. Shall I send you the prices?"),
    )),
    Thread(WEBSITE, "Lucas Moreau", "snoozed", "Ada", 190, (
        (ASK, "When will the green lamp be back in stock?"),
        ("Ada", "We expect it on Thursday; I'll write to you as soon as it is here."),
        ("Ada*", "snoozed this until the day after tomorrow"),
    )),
    Thread(WEBSITE, "Ingrid Solberg", "resolved", "Kevin", 1500, (
        (ASK, "How do I reset my password?"),
        ("Kevin", "On the sign-in page, choose “Forgot password”. The link is valid for an hour."),
        (ASK, "Got it, all good now."),
        ("Kevin*", "resolved this"),
    )),
    Thread(EMAIL, "Daniel Weber", "open", "Grace", 8, (
        (ASK, "Please find attached the purchase order for 40 desks. Can you deliver in March?"),
        ("Grace*", "took this"),
        ("Grace", "Thank you, Daniel. The second week of March would work; is there a ramp?"),
        (ASK, "Yes, behind the building. Trucks up to 7.5 t."),
    ), ("Delivery", "VIP")),
    Thread(EMAIL, "Sofia Rossi", "open", None, 35, (
        (ASK, "Our invoice 2026-0871 has the old address on it. Could we have a corrected one?"),
    ), ("Billing",)),
    Thread(EMAIL, "Ahmed Hassan", "open", "Grace", 52, (
        (ASK, "Two of the twelve chairs arrived with scratches."),
        ("Grace", "I'm sorry! Could you send a photo of each? We will replace them."),
    )),
    Thread(EMAIL, "Emma Clarke", "pending", "Ada", 240, (
        (ASK, "We would like a quote for 200 people, four floors."),
        ("Ada", "With pleasure. I've asked our planner; you will hear from us by tomorrow."),
        ("Ada!", "Waiting for the planner's numbers."),
    )),
    Thread(EMAIL, "Jonas Bakker", "resolved", "Grace", 2900, (
        (ASK, "The delivery note is missing the serial numbers."),
        ("Grace", "Here is the complete one. Apologies!"),
        ("Grace*", "resolved this"),
    )),
    Thread(EMAIL, "Chloé Dubois", "resolved", "Ada", 4400, (
        (ASK, "Can we pay in two instalments?"),
        ("Ada", "Yes: half on order, half on delivery. I've changed the terms on your offer."),
        (ASK, "Perfect, merci."),
    )),
)  # fmt: skip


def seed_if_empty() -> bool:
    """Create the demo account unless there is an account. Returns whether it did."""
    if db.session.scalar(select(func.count()).select_from(Account)):
        return False
    account = Account(name="Acme")
    db.session.add(account)
    db.session.flush()
    inboxes = {name: Inbox(account_id=account.id, name=name) for name in (WEBSITE, EMAIL)}
    db.session.add_all(inboxes.values())
    db.session.flush()
    website = Website(inbox_id=inboxes[WEBSITE].id, key=KEY, origins=" ".join(ORIGINS))
    db.session.add(website)
    users = {person.name: add_person(person, account, inboxes) for person in PEOPLE}
    labels = {title: Label(account_id=account.id, title=title, colour=n) for title, n in LABELS}
    db.session.add_all(labels.values())
    db.session.flush()
    db.session.add_all(
        CannedReply(account_id=account.id, shortcut=shortcut, content=content)
        for shortcut, content in CANNED_REPLIES
    )
    for thread in THREADS:
        add_thread(thread, account, inboxes, users, labels)
    db.session.commit()
    return True


def refuse_demo_passwords() -> None:
    """Raises DemoPasswords if a user has the demo's password, which everybody can look up."""
    query = select(User.email).where(User.password_hash == passwords.DEMO_HASH).order_by(User.id)
    emails = db.session.scalars(query).all()
    if emails:
        others = f" and {len(emails) - len(PEOPLE)} others" if len(emails) > len(PEOPLE) else ""
        raise DemoPasswords(
            f"The demo's password signs in {', '.join(emails[: len(PEOPLE)])}{others}. "
            "Production needs passwords that nobody can look up: run "
            "`flask --app app password set EMAIL` for each."
        )


def add_person(person: Person, account: Account, inboxes: dict[str, Inbox]) -> User:
    user = User(name=person.name, email=person.email)
    user.set_password(PASSWORD)
    db.session.add(user)
    db.session.flush()
    db.session.add(Membership(account_id=account.id, user_id=user.id, role=person.role))
    db.session.add_all(
        InboxMember(inbox_id=inboxes[name].id, user_id=user.id) for name in person.inboxes
    )
    db.session.flush()
    return user


def add_thread(
    thread: Thread,
    account: Account,
    inboxes: dict[str, Inbox],
    users: dict[str, User],
    labels: dict[str, Label],
) -> None:
    last = clock.now() - timedelta(minutes=thread.minutes_ago)
    email = thread.contact.lower().replace(" ", ".") + "@example.com"
    contact = Contact(account_id=account.id, name=thread.contact, email=email)
    db.session.add(contact)
    db.session.flush()
    conversation = Conversation(
        account_id=account.id,
        inbox_id=inboxes[thread.inbox].id,
        contact_id=contact.id,
        assignee_id=users[thread.assignee].id if thread.assignee else None,
        status=thread.status,
        snoozed_until=clock.now() + timedelta(days=2) if thread.status == "snoozed" else None,
        snoozed_by=users["Ada"] if thread.status == "snoozed" else None,
        labels=[labels[title] for title in thread.labels],
        created_at=last - timedelta(minutes=3 * len(thread.lines)),
        last_activity_at=last,
    )
    db.session.add(conversation)
    db.session.flush()
    read: dict[int, int] = {}  # by user: the author of a message has read up to it
    for back, (speaker, text) in zip(
        range(len(thread.lines) - 1, -1, -1), thread.lines, strict=True
    ):
        when = last - timedelta(minutes=3 * back)
        message = message_of(speaker, text, contact, users)
        message.account_id, message.conversation_id = account.id, conversation.id
        message.created_at = message.updated_at = when
        db.session.add(message)
        db.session.flush()
        if message.message_type != "activity":
            conversation.last_message_id = message.id
        if customer_presenters.is_public(message):
            conversation.last_public_at = when
            since = conversation.waiting_since or when
            conversation.waiting_since = since if message.contact is not None else None
        if message.user is not None:
            read[message.user.id] = message.id
        else:
            conversation.contact_read_id = message.id
    if thread.status == "resolved":
        conversation.waiting_since = None
    db.session.add_all(
        ReadMarker(user_id=user, conversation_id=conversation.id, message_id=id)
        for user, id in read.items()
    )


def message_of(speaker: str, text: str, contact: Contact, users: dict[str, User]) -> Message:
    if speaker == ASK:
        return Message(message_type="incoming", contact=contact, content=text)
    name, mark = speaker.rstrip("!*"), speaker[-1]
    if mark == "*":
        return Message(message_type="activity", user=users[name], content=f"{name} {text}")
    return Message(user=users[name], content=text, private=mark == "!")
