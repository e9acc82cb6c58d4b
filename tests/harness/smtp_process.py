"""The program of mail_server.py: it imports nothing of rtapp, so that it starts quickly."""

import asyncio
import json
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

# By the part of the recipient's address before the @. `hangs` gets no answer.
TO_RECIPIENT = {"refused": "550 5.1.1 User unknown", "later": "451 4.7.1 Greylisted"}
TO_DATA = {"unwanted": "554 5.7.1 Looks unwanted", "quoting": "554 5.7.1 Bad link: {body}"}
USER, PASSWORD = "rtapp", "sEcReTpAsSwOrD"


class Handler:
    def __init__(self, folder: Path):
        self._folder = folder

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        local = address.partition("@")[0]
        if local == "hangs":
            await asyncio.sleep(3600)
        if local in TO_RECIPIENT:
            return TO_RECIPIENT[local]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        local = envelope.rcpt_tos[0].partition("@")[0]
        if local in TO_DATA:
            body = envelope.content.decode(errors="replace").replace("\r\n", " ")
            return TO_DATA[local].format(body=body)[:500]
        kept = {"recipients": envelope.rcpt_tos, "mail": envelope.content.hex()}
        with (self._folder / "received").open("a") as file:
            file.write(f"{json.dumps(kept)}\n")
        return "250 OK"


async def run(folder: Path, mode: str, port: int) -> None:
    from aiosmtpd.smtp import SMTP
    from aiosmtpd.smtp import AuthResult

    def authenticate(server: Any, session: Any, envelope: Any, kind: str, data: Any) -> Any:
        given = (data.login.decode(), data.password.decode())
        right = given == (USER, PASSWORD)
        return AuthResult(success=right, handled=right)

    context = None
    if mode != "plain":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    options: dict[str, Any] = {"enable_SMTPUTF8": True, "hostname": "mail.test"}
    if mode in ("starttls", "auth"):
        options.update(tls_context=context, require_starttls=True)
    if mode == "auth":
        options.update(authenticator=authenticate, auth_required=True)
    listening = socket.create_server(("127.0.0.1", port))
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Handler(folder), **options),
        sock=listening,
        ssl=context if mode == "tls" else None,
    )
    (folder / "starting").write_text(str(listening.getsockname()[1]))
    (folder / "starting").rename(folder / "port")
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
