"""Uploading files, and sending them with a message."""

import io
import os
from datetime import timedelta

import gevent
import pytest
from PIL import Image
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import update

from rtapp import clock
from rtapp.config import ATTACHMENT_NAME_LIMIT
from rtapp.config import ATTACHMENTS_PER_MESSAGE
from rtapp.config import FILE_LIMIT
from rtapp.config import UNSENT_ATTACHMENTS
from rtapp.events.catalogue import SIZE_LIMIT
from rtapp.events.catalogue import size
from rtapp.extensions import db
from rtapp.models import Attachment
from rtapp.services.remove_attachments import remove_attachments
from rtapp.storage import StorageAway

from ..files import archive
from ..files import jpeg
from ..files import png
from ..files import upload
from ..files import uploaded
from ..support import VisitorClient
from ..support import envelope
from ..support import outbox_drained
from ..world import add_website

PATH = "/conversations/1/attachments"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def rows(app):
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(Attachment))


def files(app):
    return sorted(path.name for path in app.extensions["storage"].folder.glob("*"))


def remove(app, now):
    with app.app_context():
        return remove_attachments(now)


def send(client, *keys, content="", conversation=1, **more):
    return client.send(conversation, content, attachments=list(keys), **more)


def test_a_picture_is_uploaded_sent_and_read(app, ada, kevin):
    data = jpeg()
    file = uploaded(ada, data, "photo.JPG")
    url = f"/attachments/{file['key']}"
    assert file == {
        "id": file["id"], "key": file["key"], "name": "photo.JPG", "content_type": "image/jpeg",
        "size": len(data), "width": 1200, "height": 800, "url": url,
        "thumbnail_url": f"{url}/thumbnail",
    }  # fmt: skip
    answer = send(ada, file["key"], content="Look")
    assert answer.status_code == 201
    assert answer.json["attachments"] == [file]
    assert kevin.get("/conversations/1/messages").json["messages"][-1] == answer.json
    read = kevin.get(url)
    assert (read.status_code, read.data) == (200, data)
    small = Image.open(io.BytesIO(kevin.get(file["thumbnail_url"]).data))
    assert small.size == (480, 320)


def test_a_message_with_files_and_without_text_is_received_by_all_who_see_it(ada, kevin, maria):
    streams = [client.stream("/streams/conversations/1") for client in (kevin, maria)]
    list_stream = kevin.stream("/streams/accounts/1")
    for stream in (*streams, list_stream):
        stream.named("stream.open")
    keys = [uploaded(ada, name=f"{number}.png")["key"] for number in range(2)]
    answer = send(ada, *reversed(keys))
    assert (answer.status_code, answer.json["content"]) == (201, "")
    for stream in streams:
        data = envelope(stream.named("message.created"))["data"]
        assert data["attachments"] == answer.json["attachments"]
        assert [file["key"] for file in data["attachments"]] == keys[::-1]
    listed = envelope(list_stream.named("conversation.updated"))["data"]
    assert listed["last_message"]["preview"] == "1.png, 0.png"
    for stream in (*streams, list_stream):
        stream.close()


def test_a_visitor_sends_a_file_that_agents_read(ada, maria):
    file = uploaded(maria, b"%PDF-1.7 of mine", "contract.pdf")
    answer = send(maria, file["key"])
    assert (answer.status_code, answer.json["attachments"]) == (201, [file])
    assert (file["width"], file["height"], file["thumbnail_url"]) == (None, None, None)
    assert ada.get(file["url"]).data == b"%PDF-1.7 of mine"


def test_visitors_of_a_website_read_the_files_of_their_own_conversation_alone(app, ada):
    add_website(app)
    own, another = VisitorClient(app, "website1"), VisitorClient(app, "website1")
    assert another.start("Hello").status_code == 201
    thread = own.start("Hello").json["conversation"]["id"]
    question = uploaded(own, conversation=thread)
    assert another.get(question["url"]).status_code == 404
    assert send(another, question["key"], conversation=thread).status_code == 404
    assert send(own, question["key"], conversation=thread).status_code == 201
    reply, note = uploaded(ada, conversation=thread), uploaded(ada, conversation=thread)
    assert send(ada, reply["key"], conversation=thread).status_code == 201
    assert send(ada, note["key"], conversation=thread, private=True).status_code == 201
    found = {
        client: [client.get(file["url"]).status_code for file in (question, reply, note)]
        for client in (own, another, ada)
    }
    assert found == {own: [200, 200, 404], another: [404, 404, 404], ada: [200, 200, 200]}


def test_a_retried_message_with_files_is_sent_once_and_with_others_refused(ada, outbox):
    first, second = uploaded(ada)["key"], uploaded(ada)["key"]
    answer, again = send(ada, first, client_id="c"), send(ada, first, client_id="c")
    assert (answer.status_code, again.status_code) == (201, 200)
    assert again.json == answer.json
    assert send(ada, second, client_id="c").status_code == 422
    assert send(ada, first).status_code == 422  # a file is sent once


@pytest.mark.parametrize(
    ("data", "name", "content_type", "kept"),
    [
        (png(), "a.png", "image/png", "a.png"),
        (png(), "a.exe", "image/png", "a.exe.png"),
        (jpeg(), "no suffix", "image/jpeg", "no suffix.jpg"),
        (b"%PDF-1.4\n", "x.html", "application/pdf", "x.html.pdf"),
        (b"a,b\n1,2\n", "table.csv", "text/csv", "table.csv"),
        ("Grüße\n".encode(), "notes.txt", "text/plain", "notes.txt"),
        ("Grüße\n".encode("cp1252"), "notes.log", "text/plain", "notes.log"),
        (b"@echo off", "run.bat", "text/plain", "run.bat.txt"),
        (archive("a.txt"), "a.zip", "application/zip", "a.zip"),
        (archive("[Content_Types].xml", "word/document.xml"), "a.docx", WORD, "a.docx"),
        (png(), "../../etc/pass\u202ewd.png", "image/png", "passwd.png"),
        (png(), "a<b>.png", "image/png", "a_b_.png"),
        (png(), "...", "image/png", "file.png"),
    ],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_file_is_of_the_type_of_its_content(ada, data, name, content_type, kept):
    file = uploaded(ada, data, name)
    assert (file["content_type"], file["name"]) == (content_type, kept)


@pytest.mark.parametrize(
    ("data", "name", "why"),
    [
        (SVG, "a.png", "markup"),
        (b" \n<!DOCTYPE html><script>", "a.txt", "markup"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><svg/>", "a.txt", "markup"),
        (b"MZ\x90\x00" + bytes(200), "a.png", "not taken"),
        (os.urandom(2000), "a.png", "not taken"),
        (b"", "a.png", "empty"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 1000, "a.png", "damaged"),
        (jpeg()[:3000], "a.jpg", "damaged"),
        (b"PK\x03\x04 no zip", "a.zip", "damaged"),
        (archive("word/document.xml", "word/vbaProject.bin"), "a.docx", "macros"),
        (png(12_000, 12_000, "1"), "bomb.png", "pixels"),
    ],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_file_that_is_not_taken_leaves_nothing(app, ada, data, name, why):
    answer = upload(ada, data, name)
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["file"])
    assert why in answer.json["detail"]
    assert rows(app) == 0


def test_ten_mebibytes_that_are_no_picture_are_refused_and_a_byte_more_is_too_large(app, ada):
    data = b"\x89PNG\r\n\x1a\n" + bytes(FILE_LIMIT - 8)
    assert upload(ada, data).status_code == 422
    too_large = upload(ada, data + b"x")
    assert (too_large.status_code, too_large.json["title"]) == (413, "Request Entity Too Large")
    assert "10 MiB" in too_large.json["detail"]
    assert upload(ada, bytes(FILE_LIMIT * 2)).status_code == 413
    assert (rows(app), uploaded(ada, b"a" * FILE_LIMIT, "a.txt")["size"]) == (0, FILE_LIMIT)


def test_without_a_session_a_large_body_is_not_read(app, nobody):
    assert upload(nobody, bytes(FILE_LIMIT)).status_code == 401


def test_a_body_of_another_endpoint_keeps_its_limit(ada):
    assert ada.send(1, "x" * 1_100_000).status_code == 413


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_form_without_one_file_is_refused(app, ada):
    client = app.test_client()

    def post(**given):
        return client.post(PATH, headers=ada.headers, **given)

    def file():
        return (io.BytesIO(png()), "a.png")

    multipart = {"content_type": "multipart/form-data"}
    assert post(json={"file": "x"}).status_code == 415
    assert post(data={"file": "x"}).status_code == 415
    assert post(data={"file": "a text"}, **multipart).json["errors"].keys() == {"file"}
    assert post(data={"file": (io.BytesIO(), "")}).json["errors"].keys() == {"file"}
    assert post(data={"file": file(), "more": file()}).json["errors"].keys() == {"more"}
    assert post(data={"file": file(), "private": "true"}).json["errors"].keys() == {"private"}
    twice = post(data={"file": [file(), file()]})
    assert (twice.status_code, "comes twice" in twice.json["detail"]) == (400, True)
    assert rows(app) == 0


def test_a_long_name_is_cut_and_ten_files_of_such_names_are_one_event(ada):
    keys = [
        uploaded(ada, b"%PDF-1.7", "😀" * 500 + ".pdf")["key"]
        for _ in range(ATTACHMENTS_PER_MESSAGE)
    ]
    stream = ada.stream("/streams/conversations/1")
    stream.named("stream.open")
    answer = send(ada, *keys, content="😀" * 10_000)
    assert {len(file["name"]) for file in answer.json["attachments"]} == {ATTACHMENT_NAME_LIMIT}
    data = envelope(stream.named("message.created"))["data"]
    assert (data["truncated"], size(data) <= SIZE_LIMIT) == (True, True)
    assert data["attachments"] == answer.json["attachments"]
    stream.close()


def test_a_file_that_is_sent_twice_at_once_is_sent_once(app, ada):
    for _ in range(5):
        key = uploaded(ada, b"text", "a.txt")["key"]
        sent = [gevent.spawn(send, ada, key, conversation=id) for id in (1, 2)]
        gevent.joinall(sent, raise_error=True)
        assert sorted(each.value.status_code for each in sent) == [201, 422]


def test_only_ones_own_unsent_files_can_be_sent(app, ada, kevin, maria, outbox):
    of_kevin, sent = uploaded(kevin)["key"], uploaded(ada)["key"]
    assert send(ada, sent).status_code == 201
    assert outbox_drained(app)
    outbox.before = outbox.state()
    for keys in ([of_kevin], [sent], ["x" * 32], [uploaded(maria)["key"]], [""], ["\x00"]):
        answer = send(ada, *keys)
        assert (answer.status_code, next(iter(answer.json["errors"]))[:11]) == (422, "attachments")
    assert outbox.unchanged()


def test_a_message_refuses_bad_attachments(ada, outbox):
    key = uploaded(ada)["key"]
    for attachments in ([key, key], [key] * 11, key, None, [1], [None], {"0": key}):
        answer = ada.post("/conversations/1/messages", {"content": "x", "attachments": attachments})
        assert answer.status_code == 422, attachments
    assert send(ada).json["errors"].keys() == {"content"}
    assert outbox.unchanged()


def test_a_blank_text_beside_files_is_empty(ada):
    assert send(ada, uploaded(ada)["key"], content=" \n").json["content"] == ""


def test_files_of_a_note_are_the_teams(ada, kevin, maria):
    file = uploaded(ada)
    assert send(ada, file["key"], private=True).status_code == 201
    assert kevin.get(file["url"]).status_code == 200
    assert maria.get(file["url"]).json == maria.get(f"/attachments/{'x' * 32}").json
    assert maria.get(file["thumbnail_url"]).status_code == 404


def test_files_are_read_by_those_who_see_their_message(ada, kevin, grace, maria, nobody):
    file = uploaded(ada)
    assert [who.get(file["url"]).status_code for who in (ada, kevin, maria)] == [200, 404, 404]
    assert send(ada, file["key"]).status_code == 201
    expected = {ada: 200, kevin: 200, maria: 200, grace: 404, nobody: 401}
    for url in (file["url"], file["thumbnail_url"]):
        assert {who: who.get(url).status_code for who in expected} == expected


def test_an_upload_needs_the_conversation(ada, grace, maria, other):
    assert upload(grace, png()).status_code == 404
    assert upload(maria, png(), conversation=2).status_code == 404
    assert upload(ada, png(), conversation=other.conversation).status_code == 404
    assert upload(ada, png(), conversation=999_999).status_code == 404


def test_deleting_a_message_takes_its_files_from_everybody_and_from_the_storage(app, ada, kevin):
    file = uploaded(ada, jpeg())
    message = send(ada, file["key"]).json
    assert files(app) == [file["key"], f"{file['key']}.thumbnail"]
    assert ada.post(f"/messages/{message['id']}/delete").status_code in (200, 204)
    deleted = ada.get("/conversations/1/messages").json["messages"][-1]
    assert (deleted["content"], deleted["attachments"]) == ("", [])
    assert [who.get(file["url"]).status_code for who in (ada, kevin)] == [404, 404]
    assert send(ada, file["key"]).status_code == 422
    assert remove(app, clock.now()) == 1
    assert (rows(app), files(app)) == (0, [])


def test_a_file_that_was_not_sent_is_removed_after_a_day_and_a_sent_one_never(app, ada):
    unsent, sent = uploaded(ada), uploaded(ada)
    assert send(ada, sent["key"]).status_code == 201
    now = clock.now()
    assert remove(app, now + timedelta(hours=23)) == 0
    assert remove(app, now + timedelta(hours=25)) == 1
    assert remove(app, now + timedelta(days=400)) == 0
    assert (rows(app), ada.get(unsent["url"]).status_code) == (1, 404)
    assert ada.get(sent["url"]).status_code == 200


def test_an_edited_message_keeps_its_files(ada):
    file = uploaded(ada)
    message = send(ada, file["key"]).json
    edited = ada.post(f"/messages/{message['id']}", {"content": "A caption"})
    assert (edited.json["content"], edited.json["attachments"]) == ("A caption", [file])


def test_merged_conversations_keep_the_files_of_their_messages(app, ada, maria):
    file = uploaded(maria)
    assert send(maria, file["key"]).status_code == 201
    new = ada.post(
        "/accounts/1/conversations",
        {"inbox_id": 1, "content": "New",
         "contact": {"name": "Maria", "email": "maria.lindqvist@example.com"}},
    ).json  # fmt: skip
    assert ada.post("/conversations/1/merge", {"into": new["id"]}).status_code == 200
    assert maria.get(file["url"]).status_code == 200
    messages = ada.get(f"/conversations/{new['id']}/messages").json["messages"]
    assert [file] in [message["attachments"] for message in messages]


def test_a_sender_may_have_so_many_unsent_files(app, ada, kevin):
    with app.app_context():
        db.session.add_all(
            Attachment(
                key=f"{number:032}", account_id=1, user_id=ada.id, name="a", content_type="a/b",
                size=1, expires_at=clock.now() + timedelta(hours=1),
            )
            for number in range(UNSENT_ATTACHMENTS)
        )  # fmt: skip
        db.session.commit()
    assert upload(ada, png()).status_code == 422
    assert upload(kevin, png()).status_code == 201
    with app.app_context():
        db.session.execute(update(Attachment).values(expires_at=clock.now()))
        db.session.commit()
    assert upload(ada, png()).status_code == 201


def test_a_storage_that_is_away_stores_and_sends_nothing(app, ada):
    file = uploaded(ada)
    folder = app.extensions["storage"].folder
    kept = folder.with_name("kept")
    folder.rename(kept)
    folder.write_bytes(b"no folder")
    answer = upload(ada, png())
    assert answer.status_code == 503
    assert "Nothing was lost" in answer.json["detail"]
    assert int(answer.headers["Retry-After"]) > 0
    assert ada.get(file["url"]).status_code == 503
    with app.app_context():
        pending = db.session.scalar(select(Attachment).where(Attachment.stored.is_(False)))
        assert pending is not None
        assert send(ada, pending.key).status_code == 422
    folder.unlink()
    kept.rename(folder)
    assert ada.get(file["url"]).status_code == 200


def test_what_could_not_be_removed_is_removed_later(app, ada):
    uploaded(ada)
    folder = app.extensions["storage"].folder
    kept = folder.with_name("kept")
    folder.rename(kept)
    folder.write_bytes(b"no folder")
    with app.app_context(), pytest.raises(StorageAway):
        remove_attachments(clock.now() + timedelta(days=2))
    folder.unlink()
    kept.rename(folder)
    assert remove(app, clock.now() + timedelta(days=2)) == 1
    assert (rows(app), files(app)) == (0, [])


def test_a_blocked_contact_uploads_nothing(app, ada, maria):
    assert upload(maria, png()).status_code == 201
    assert ada.post("/contacts/1/block", {"blocked": True}).status_code == 200
    assert upload(maria, png()).status_code == 403
