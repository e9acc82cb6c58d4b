"""The words of the chat without scripts. Those of its scripts are in static/js/chat/languages/."""

from collections.abc import Mapping
from typing import NamedTuple

DEFAULT = "en"


class Words(NamedTuple):
    direction: str
    greeting: str
    away: str
    you: str
    write: str
    send: str
    name: str
    email: str
    optional: str
    look: str
    resolved: str
    deleted: str
    file: str
    sent: str
    bad_content: str
    bad_name: str
    bad_email: str
    blocked: str
    too_fast: str  # with the number of seconds
    failed: str


WORDS: Mapping[str, Words] = {
    "en": Words(
        direction="ltr",
        greeting="Hi! How can we help you?",
        away="We are not here right now. Write to us anyway: our answer will be here.",
        you="You",
        write="Your message",
        send="Send",
        name="Your name",
        email="Your email address",
        optional="optional",
        look="Look for an answer",
        resolved="This conversation is closed. Your next message begins a new one.",
        deleted="This message was deleted.",
        file="File",
        sent="Your message is sent. The answer will be on this page.",
        bad_content="Write a message of at most 10,000 characters.",
        bad_name="Write a name of at most 200 characters.",
        bad_email="That is no email address.",
        blocked="You can't write here any more.",
        too_fast="That was a little too fast. Send it again in {} seconds.",
        failed="This could not be sent. Try again.",
    ),
    "de": Words(
        direction="ltr",
        greeting="Hallo! Wie können wir helfen?",
        away="Gerade ist niemand da. Schreiben Sie uns trotzdem: Unsere Antwort steht dann hier.",
        you="Sie",
        write="Ihre Nachricht",
        send="Senden",
        name="Ihr Name",
        email="Ihre E-Mail-Adresse",
        optional="freiwillig",
        look="Nach einer Antwort sehen",
        resolved="Diese Unterhaltung ist abgeschlossen. Ihre nächste Nachricht beginnt eine neue.",
        deleted="Diese Nachricht wurde gelöscht.",
        file="Datei",
        sent="Ihre Nachricht ist gesendet. Die Antwort wird auf dieser Seite stehen.",
        bad_content="Schreiben Sie eine Nachricht mit höchstens 10.000 Zeichen.",
        bad_name="Schreiben Sie einen Namen mit höchstens 200 Zeichen.",
        bad_email="Das ist keine E-Mail-Adresse.",
        blocked="Sie können hier nicht mehr schreiben.",
        too_fast="Das war etwas zu schnell. Senden Sie es in {} Sekunden noch einmal.",
        failed="Das konnte nicht gesendet werden. Versuchen Sie es noch einmal.",
    ),
}
