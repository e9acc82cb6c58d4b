"""nchan on nginx: Debian's libnginx-mod-nchan, one worker, messages in its own memory."""

import http.client
from pathlib import Path

from . import measures
from .lab import Lab
from .load import Target
from .publisher import EVENT
from .publisher import envelope
from .rival import Rival

MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
NGINX = Path("/usr/sbin/nginx")
KEPT = 10_000  # messages, as many as a topic's log of ours
CONFIGURATION = """
load_module {module};
daemon off;
worker_processes 1;
worker_rlimit_nofile {descriptors};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location = /publish {{
      nchan_publisher; nchan_channel_id conversation;
      nchan_message_buffer_length {kept}; nchan_message_timeout 1h;
    }}
    location = /stream {{
      nchan_subscriber eventsource; nchan_channel_id conversation;
      nchan_subscriber_first_message newest; nchan_eventsource_ping_interval 15;
    }}
  }}
}}
"""


class Nchan(Rival):
    name = "nchan"
    note = "replay from one process's memory, no access"
    of_many = True
    client = {"marker": ": hi"}  # noqa: RUF012
    resumes = True

    def __init__(self, lab: Lab):
        super().__init__(lab)
        self._publisher = http.client.HTTPConnection("127.0.0.1", self.port)

    @staticmethod
    def missing() -> str | None:
        there = MODULE.exists() and NGINX.exists()
        return None if there else "apt-get install nginx libnginx-mod-nchan"

    def start(self) -> None:
        descriptors = measures.raise_descriptor_limit()
        configuration = self.folder / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(
                module=MODULE,
                folder=self.folder,
                port=self.port,
                kept=KEPT,
                descriptors=descriptors,
                connections=descriptors - measures.MARGIN,
            )
        )
        self.folder.chmod(0o777)  # the worker runs as another user if root starts it
        self.run([str(NGINX), "-c", str(configuration), "-p", str(self.folder)])
        self.until(self.accepts)

    def targets(self) -> list[Target]:
        return [("/stream", ["Accept: text/event-stream"])]

    def publish(self, number: int) -> None:
        headers = {"Content-Type": "application/json", "X-EventSource-Event": EVENT}
        self._publisher.request("POST", "/publish", envelope(1, number), headers)
        response = self._publisher.getresponse()
        response.read()
        assert response.status in (201, 202), response.status

    def pids(self) -> list[int]:
        """The master and its worker."""
        (master,) = super().pids()
        return [master, *measures.children(master)]
