"""Nothing is kept on a host that another one needs."""

import json
import re

import httpx

from ..faults.server import Server
from .hosts import Settings
from .world import World

SHARED_BY_WORKERS = {"server.log", "metrics"}
PASSWORD = {"email": "ada@example.com", "password": "password"}


def test_a_file_a_draft_and_a_session_of_one_host_are_there_on_the_other(
    world: World, settings: Settings, hosts: list[Server]
) -> None:
    first, second = hosts
    path = f"/conversations/{min(world.conversations.values())}"
    uploaded = httpx.post(
        f"http://127.0.0.1:{first.port}{path}/attachments",
        files={"file": ("note.txt", b"kept by all")}, headers=first.bearer("Ada"), timeout=60,
    )  # fmt: skip
    assert uploaded.status_code == 201, uploaded.text
    status, answer, _ = second.ask(
        "POST",
        f"{path}/messages",
        {"content": "", "attachments": [uploaded.json()["attachment"]["key"]]},
    )
    assert status == 201, answer
    (file,) = json.loads(answer)["attachments"]
    for host in hosts:
        assert host.ask("GET", file["url"])[:2] == (200, b"kept by all")

    draft = {"reply": "To be continued", "note": "", "version": 0}
    assert first.ask("POST", f"{path}/draft", draft)[0] == 200
    assert b"To be continued" in second.ask("GET", f"{path}/draft")[1]

    with httpx.Client(timeout=60) as browser:
        form = browser.get(f"http://127.0.0.1:{first.port}/login").text
        (token,) = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', form)[:1]
        browser.post(f"http://127.0.0.1:{first.port}/login", data={**PASSWORD, "csrf_token": token})
        me = browser.get(f"http://127.0.0.1:{second.port}/me")
    assert me.json()["email"] == PASSWORD["email"]

    for host in hosts:  # after all of this
        own = {each.name for each in host.folder.iterdir()}
        assert own <= SHARED_BY_WORKERS, "a host has kept something"
