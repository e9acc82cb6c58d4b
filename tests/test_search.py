"""The search of conversations: what is found, by whom, and how it is shown, on both databases."""

from html import unescape
from unicodedata import normalize
from urllib.parse import quote

import pytest
from markupsafe import escape
from sqlalchemy import delete
from sqlalchemy import func
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import update

from rtapp import queries
from rtapp.extensions import db
from rtapp.folding import folded
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import Message

from .test_queries import LIST
from .test_queries import add_conversations
from .test_queries import ids
from .test_queries import search

KEVIN = 2


def found(agent, q, **more):
    """Conversation id → hit, in the list's order."""
    answer = search(agent, q, **more)
    hits = answer.json["hits"]
    assert sorted(hits) == sorted(map(str, ids(answer)))
    return {id: hits[str(id)] for id in ids(answer)}


def shown(hit):
    """The excerpt with its marks in brackets."""
    return "".join(f"[{p['text']}]" if p["marked"] else p["text"] for p in hit["excerpt"])


def paged(agent, q, limit):
    """The ids of each page."""
    pages, more = [], {}
    while more is not None:
        answer = search(agent, q, limit=limit, **more)
        pages.append(ids(answer))
        before = answer.json["next_before"]
        more = {"before": before} if before else None
    return pages


def start(agent, name, email, content="Hello"):
    contact = {"name": name, "email": email}
    body = {"inbox_id": 1, "contact": contact, "content": content}
    answer = agent.post("/accounts/1/conversations", body)
    assert answer.status_code == 201, answer.json
    return answer.json["id"]


# Words


@pytest.mark.parametrize(
    "q", ["JÜRGEN", "älfeld", normalize("NFD", "Jürgen"), "jurgen", "ÄLFELD jür"]
)
def test_a_contact_jurgen_alfeld_is_found_in_any_case_form_or_without_accents(ada, q):
    made = start(ada, "Jürgen Älfeld", "jae@example.com")
    assert list(found(ada, q)) == [made]


@pytest.mark.parametrize("q", ["café", "CAFE\u0301", "cafe", "Caf"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_text_stored_as_nfc_or_nfd_is_found_by_either(ada, q, form):
    ada.send(2, normalize(form, "Das Café ist zu"))
    assert list(found(ada, q)) == [2]


@pytest.mark.parametrize("q", ["straße", "STRASSE", "STRAẞE", "grun strasse"])
def test_a_street_with_sharp_s_is_found_by_strasse(ada, q):
    ada.send(2, "Grüne Straße 5")
    assert list(found(ada, q)) == [2]


@pytest.mark.parametrize(
    ("stored", "q"),
    [("ΑΘΉΝΑΣ", "αθηνας"), ("Привет", "ПРИВЕТ"), ("한국어", normalize("NFD", "한국")),
     ("ガラス", "ｶﾞﾗｽ"),
     ("हिन्दी", "हिन्दी"), ("สวัสดี", "สวัส"), ("שָׁלוֹם", "שלום"), ("Łódź", "lodz"),
     ("in\u00advisible", "invisible"),
     ("xq\u202eqx", "xqqx"), ("xqqx", "xq\u200bqx"), ("👍🏽 great", "👍🏽")],
)  # fmt: skip
def test_a_text_of_any_script_is_found_however_it_is_typed(ada, stored, q):
    ada.send(2, stored)
    assert list(found(ada, q)) == [2]


@pytest.mark.parametrize(
    ("stored", "q"),
    [("が", "か"), ("한국", "하"), ("हिन्दी", "हन्द"), ("Jürgen", "jurgens"), ("xq qx", "xqqx")],
)
def test_another_word_is_not_found(ada, stored, q):
    ada.send(2, stored)
    assert found(ada, q) == {}


@pytest.mark.parametrize(
    "q",
    [
        "12 number at neighbour",
        "complaint LINDQVIST",  # a note, and the contact's name
        "example.com courier maria",  # their address, a message and the name
        "delivered   delivered\tdelivered",
    ],
)
def test_words_are_found_in_any_order_in_different_messages_and_fields(ada, q):
    assert list(found(ada, q)) == [1]


@pytest.mark.parametrize("q", ["complaint okafor", "lindqvist xyzzy", "neighbour desks"])
def test_a_conversation_without_one_of_the_words_is_not_found(ada, q):
    for word in q.split()[:1]:
        assert found(ada, word)
    assert found(ada, q) == {}


@pytest.mark.parametrize("sign", ["%", "_", "\\", "/", "%_", "\\%"])
def test_wildcards_stand_for_themselves_in_names_and_excerpts(ada, sign):
    assert found(ada, f"a{sign}b") == {}
    made = start(ada, f"a{sign}b", "wild@example.com", "axxb")
    assert found(ada, f"a{sign}b")[made]["field"] == "name"
    ada.send(2, f"a{sign}b")
    assert shown(found(ada, f"a{sign}b")[2]) == f"[a{sign}b]"


def test_the_first_ten_different_words_count_and_the_others_are_ignored(ada):
    ada.send(2, "one two three four five six seven eight nine ten")
    ten = "one two three one two three four five six seven eight nine ten"
    assert list(found(ada, ten)) == list(found(ada, f"{ten} eleven")) == [2]
    assert found(ada, f"eleven {ten}") == {}


@pytest.mark.parametrize("q", ["\u0301", "\u0301 \u0323", "ـ"])
def test_a_search_for_accents_alone_finds_nothing(ada, q):
    answer = search(ada, q)
    assert (ids(answer), answer.json["next_before"]) == ([], None)


@pytest.mark.parametrize("q", ["\u200b\u200d", "\u202e", "\u2800", "\x01"])
def test_a_search_for_nothing_visible_returns_the_list(ada, q):
    assert ids(search(ada, q)) == ids(ada.get(LIST))


@pytest.mark.parametrize(
    "q",
    ["x" * 10_000, "é" * 10_000, "a%00b", "\u0301" * 201],
    ids=["ascii", "accents", "NUL", "marks"],
)
def test_a_hostile_search_is_refused_with_a_reason(ada, q):
    answer = ada.get(f"{LIST}?q={quote(q, safe='%')}")
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert "q " in answer.json["detail"]


def test_a_lone_surrogate_finds_nothing(ada):
    assert ids(ada.get(f"{LIST}?q=%ED%A0%80")) == []


def test_a_search_that_grows_as_it_is_folded_is_answered(ada):
    assert found(ada, "\ufdfa" * 200) == {}
    ada.send(2, "\ufdfa" * 200)
    assert list(found(ada, "\ufdfa" * 200)) == [2]


# Ids


@pytest.mark.parametrize("q", ["#3", "3", "#０３", " 3 "])
def test_a_conversation_is_found_first_by_its_id(ada, q):
    hits = found(ada, q)
    assert next(iter(hits)) == 3
    assert (hits[3]["field"], shown(hits[3]), hits[3]["message_id"]) == ("number", "[#3]", None)


def test_an_id_is_found_beside_texts_with_the_same_number(ada):
    hits = found(ada, "12")
    assert list(hits) == [12, 1]  # 12 by its id, 1 by "number 12"
    assert shown(hits[1]).count("[12]") == 1


def test_an_id_and_a_word_are_found_together(ada):
    assert found(ada, "3 tanaka")[3]["field"] == "name"
    assert found(ada, "#3 checkout")[3]["field"] == "message"
    assert found(ada, "3 lindqvist") == {}


@pytest.mark.parametrize("q", ["#0", "0", "#99999999999", "2147483648", "#-1", "# 9", "##3", "3#"])
def test_what_is_no_id_finds_no_conversation_by_it(ada, q):
    assert all(hit["field"] == "message" for hit in found(ada, q).values())


def test_an_old_conversation_is_found_by_its_id_on_the_first_page_and_on_no_other(
    app, ada, monkeypatch
):
    monkeypatch.setattr(queries, "SEARCH_DEPTH", 5)
    add_conversations(app, 7)
    for id in (13, 14, 15):
        ada.send(id, "See number 12")
    pages = paged(ada, "12", 2)
    assert pages[0][0] == 12
    assert len(pages) > 3
    assert sorted(id for page in pages for id in page) == [1, 12, 13, 14, 15]


def test_pages_of_one_row_have_every_conversation_once(ada):
    assert paged(ada, "12", 1) == [[12], [1]]


def test_an_id_combines_with_filters(ada):
    assert list(found(ada, "#12", status="resolved")) == [12]
    assert found(ada, "#12", status="open") == {}
    assert found(ada, "#12", inbox=1) == {}
    assert found(ada, "#12", assignee="none") == {}


# Access


def test_a_member_of_one_inbox_finds_nothing_of_another_by_word_or_id(ada, kevin, grace):
    for q in ("#7", "7", "weber", "daniel.weber@example.com", "desks", "purchase weber"):
        assert 7 in found(ada, q), q
        assert 7 in found(grace, q), q
        assert 7 not in found(kevin, q), q
        assert "desks" not in search(kevin, q).get_data(as_text=True), q


def test_an_agent_restricted_to_assigned_finds_only_those(app, kevin):
    assert {2, 3} <= set(found(kevin, "e"))
    with app.app_context():
        db.session.execute(
            update(Membership).where(Membership.user_id == KEVIN).values(sees="assigned")
        )
        db.session.commit()
    assert 2 not in found(kevin, "e")
    assert found(kevin, "#2") == {}
    assert next(iter(found(kevin, "#1"))) == 1


def test_an_agent_without_an_inbox_finds_nothing_by_id(app, kevin):
    with app.app_context():
        db.session.execute(delete(InboxMember).where(InboxMember.user_id == KEVIN))
        db.session.commit()
    assert found(kevin, "#1") == {}


def test_no_one_finds_a_conversation_of_another_account_by_word_or_id(ada, other):
    for q in ("theirs", "xavier", f"#{other.conversation}"):
        assert other.conversation not in found(ada, q)


def test_a_customer_can_not_search(maria):
    assert search(maria, "complaint").status_code == 403
    thread = maria.get("/conversations/1?q=complaint")
    assert "complaint" not in thread.get_data(as_text=True)


def test_the_text_of_a_deleted_message_is_not_found_in_any_form(ada):
    message = ada.send(2, "Geheimnis Größe").json["id"]
    assert list(found(ada, "grosse")) == [2]
    assert ada.post(f"/messages/{message}/delete").status_code == 204
    assert found(ada, "grosse") == found(ada, "Geheimnis") == {}


def test_an_edited_message_is_found_by_its_new_text_only(ada):
    message = ada.send(2, "Größe").json["id"]
    assert ada.post(f"/messages/{message}", {"content": "Café"}).status_code == 200
    assert found(ada, "grosse") == {}
    assert list(found(ada, "cafe")) == [2]


# Hits


def test_a_hit_in_a_message_has_its_id_its_sender_and_an_excerpt_around_the_marked_words(ada):
    hit = found(ada, "NEIGHBOUR left")[1]
    assert hit["message_id"] == 3
    assert hit["sender_name"] == "Kevin"
    assert "[left] with a [neighbour]" in shown(hit)


def test_the_newest_message_with_the_most_words_is_the_hit(ada):
    first = ada.send(2, "alpha beta").json["id"]
    second = ada.send(2, "Alpha and beta").json["id"]
    ada.send(2, "beta")
    assert found(ada, "beta alpha")[2]["message_id"] == second
    assert ada.post(f"/messages/{second}/delete").status_code == 204
    assert found(ada, "beta alpha")[2]["message_id"] == first


def test_a_contact_with_all_the_words_is_the_hit_by_name_or_by_address(ada):
    assert shown(found(ada, "maria")[1]) == "[Maria] Lindqvist"
    hit = found(ada, "maria example.com")[1]
    assert (hit["field"], shown(hit)) == ("address", "[maria].lindqvist@[example.com]")
    assert (hit["message_id"], hit["sender_name"]) == (None, None)
    assert found(ada, "maria courier")[1]["field"] == "message"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_an_excerpt_is_a_piece_of_the_message_as_it_is_stored(ada, form):
    content = normalize(form, "Wörter " * 50 + "Größe\u00ad & <b>Straße</b> " + "mehr " * 50)
    ada.send(2, content)
    hit = found(ada, "STRASSE grosse")[2]
    assert "".join(piece["text"] for piece in hit["excerpt"]) in content
    assert [p["text"] for p in hit["excerpt"] if p["marked"]] == [
        normalize(form, "Größe\u00ad"), normalize(form, "Straße")
    ]  # fmt: skip
    assert hit["cut_before"]
    assert hit["cut_after"]


def test_a_list_without_a_search_has_no_hits(ada):
    answer = ada.get(LIST)
    assert ids(answer)
    assert answer.json["hits"] == {}


def test_the_page_shows_the_excerpt_with_its_marks_and_links_to_the_message(ada):
    message = ada.send(2, "<img src=x onerror=1> & Größe").json["id"]
    ada.send(2, "Later")
    page = ada.page(f"{LIST}?q=GROSSE&status=open").get_data(as_text=True)
    assert "&lt;img src=x onerror=1&gt; &amp; <mark>Größe</mark>" in page
    assert "<img src=x" not in page
    (link,) = [part.split('"')[0] for part in page.split('href="') if "#message-" in part[:200]]
    assert (
        unescape(link)
        == f"/conversations/2?status=open&q=GROSSE&message={message}#message-{message}"
    )
    thread = ada.page(unescape(link)).get_data(as_text=True)
    assert f'id="message-{message}"' in thread


@pytest.mark.parametrize("q", ["<i>", '"><script>', "&lt;"])
def test_markup_in_what_is_searched_and_found_stays_text(ada, q):
    ada.send(2, f"before {q} after")
    page = ada.page(f"{LIST}?q={quote(q)}").get_data(as_text=True)
    assert f"before <mark>{escape(q)}</mark> after" in page
    assert q == "&lt;" or q not in page


def test_a_control_of_direction_in_an_excerpt_is_closed_in_it(ada):
    ada.send(2, "\u2066open \u2069needle\u2069 \u2067tail")
    page = ada.page(f"{LIST}?q=needle").get_data(as_text=True)
    (row,) = [part.partition("</bdi>")[0] for part in page.split("<bdi>") if "<mark>" in part]
    assert row.count("\u2066") + row.count("\u2067") == row.count("\u2069") == 2


def test_a_hit_in_a_message_older_than_the_first_page_leads_to_the_page_around_it(ada):
    message = ada.send(2, "The needle").json["id"]
    for n in range(60):
        ada.send(2, f"Straw {n}")
    plain = ada.page("/conversations/2").get_data(as_text=True)
    assert f'id="message-{message}"' not in plain
    page = ada.page(f"{LIST}?q=needle").get_data(as_text=True)
    (link,) = [part.split('"')[0] for part in page.split('href="') if "#message-" in part[:200]]
    assert f'id="message-{message}"' in ada.page(unescape(link)).get_data(as_text=True)


# What is stored


def test_a_row_is_folded_however_it_is_written(app):
    with app.app_context():
        contact = Contact(account_id=1, name="Jürgen", email="j@example.com")
        db.session.add(contact)
        db.session.flush()
        assert folded_of(Contact, contact.id) == "jurgen j@example.com"
        contact.name = "Zoë"
        db.session.flush()
        assert folded_of(Contact, contact.id) == "zoe j@example.com"
        contact.email = None
        db.session.flush()
        assert folded_of(Contact, contact.id) == "zoe"
        message = db.session.get(Message, 1)
        message.content = "Größe"
        db.session.flush()
        assert folded_of(Message, 1) == "grosse"
        message.version += 1
        db.session.flush()
        assert folded_of(Message, 1) == "grosse"
        db.session.execute(update(Message).where(Message.id == 1).values(content="Café"))
        assert folded_of(Message, 1) == "cafe"
        db.session.execute(update(Message).where(Message.id == 1).values(private=True))
        assert folded_of(Message, 1) == "cafe"
        row = {"account_id": 1, "name": "Ærø", "email": "a@example.com"}
        one = db.session.execute(insert(Contact).returning(Contact.id), [row]).scalar_one()
        assert folded_of(Contact, one) == "aero a@example.com"


def test_a_contact_of_whom_one_column_is_set_by_a_statement_is_found_by_it(app, ada):
    with app.app_context():
        db.session.execute(update(Contact).where(Contact.id == 2).values(name="Someone Else"))
        db.session.commit()
    assert list(found(ada, "SOMEONE tom.okafor")) == [2]
    assert found(ada, "Tom Okafor")[2]["field"] == "address"


def test_every_row_of_the_demo_is_folded(app):
    with app.app_context():
        for row in db.session.scalars(select(Message)):
            assert row.folded == folded(row.content)
        for row in db.session.scalars(select(Contact)):
            assert row.folded == folded(f"{row.name} {row.email}")
        assert db.session.scalar(select(func.count()).select_from(Message)) > 20


def test_a_row_that_an_older_version_wrote_is_found_by_its_text(app, ada):
    with app.app_context():
        db.session.execute(
            text("UPDATE messages SET folded = NULL, content = 'Old Text' WHERE id = 1")
        )
        db.session.execute(text("UPDATE contacts SET folded = NULL, email = NULL WHERE id = 1"))
        db.session.commit()
    assert list(found(ada, "TEXT old")) == [1]
    assert shown(found(ada, "text")[1]) == "Old [Text]"
    assert list(found(ada, "lindqvist")) == [1]


def test_a_row_is_not_loaded_with_its_folded_text(app):
    with app.app_context():
        conversation = db.session.get(Conversation, 1)
        (message, *_) = queries.messages(conversation).messages
        assert "folded" not in vars(message)


def folded_of(model, id):
    return db.session.scalar(select(model.folded).where(model.id == id))
