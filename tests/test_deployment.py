"""What stands in `deploy/`, docs/production.md and beside them names what there is."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import prometheus_client
import pytest
import yaml

import rtapp.mail.sender
import rtapp.push.sender
import rtapp.realtime.metrics  # noqa: F401

ROOT = Path(__file__).parent.parent
METRIC = re.compile(r"\brtapp_[a-z_]+")
LABELLED = re.compile(r'\b(rtapp_[a-z_]+)\{(\w+)="')
PRODUCTION = (ROOT / "docs/production.md").read_text()
DASHBOARD = (ROOT / "docs/grafana.json").read_text()
NOT_METRICS = {"rtapp_wsgi", "rtapp_gunicorn"}


def served() -> dict[str, set[str]]:
    """The names that `/metrics` has, each with the names of its labels."""
    found = {}
    for metric in prometheus_client.REGISTRY.collect():
        suffixes = {"counter": ["_total"], "histogram": ["", "_bucket", "_sum", "_count"]}
        for suffix in suffixes.get(metric.type, [""]):
            collector = prometheus_client.REGISTRY._names_to_collectors[metric.name]
            found[metric.name + suffix] = set(getattr(collector, "_labelnames", ()))
    return found


def unknown_metrics(text: str) -> set[str]:
    return {name for name in METRIC.findall(text) if name not in served()} - NOT_METRICS


def test_every_metric_of_the_alarms_and_of_the_dashboard_is_served():
    assert len(set(METRIC.findall(PRODUCTION))) >= 8
    expressions = [t["expr"] for panel in json.loads(DASHBOARD)["panels"] for t in panel["targets"]]
    assert len(expressions) >= 8
    for text in (PRODUCTION, *expressions):
        assert unknown_metrics(text) == set()
        for name, label in LABELLED.findall(text):
            assert label in served()[name], f"{name} has no label {label}"
    for by, name in re.findall(r"by \((\w+)\) \((?:\w+\()?(rtapp_[a-z_]+)", DASHBOARD):
        assert by in served()[name] | {"instance", "le"}, f"{name} has no label {by}"


def test_every_metric_that_is_served_is_on_the_dashboard():
    ours = {name for name in served() if name.startswith("rtapp_")}
    shown = set(METRIC.findall(DASHBOARD))
    assert {name for name in ours if not name.endswith(("_bucket", "_sum", "_count"))} - shown == {
        "rtapp_publish_to_send_seconds"
    }


def test_a_metric_that_is_not_served_is_found():
    assert unknown_metrics("rtapp_open_streams and rtapp_gap_total") == {"rtapp_gap_total"}


def compose() -> dict:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def test_compose_has_what_rtapp_needs_with_data_that_outlives_it():
    services = compose()["services"]
    assert set(services) == {"app", "database", "redis", "proxy"}
    assert services["app"]["stop_grace_period"] == "35s"
    command = services["redis"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    for name, service in services.items():
        named = [v.partition(":")[0] for v in service["volumes"] if not v.startswith(".")]
        assert named, f"the data of {name} is lost with it"
        assert set(named) <= set(compose()["volumes"])
    for needed in ("database", "redis"):
        assert services["app"]["depends_on"][needed]["condition"] == "service_healthy"
        assert services[needed]["healthcheck"]["test"][0] == "CMD"
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()


def test_compose_sets_what_production_requires_and_no_secret():
    app = compose()["services"]["app"]["environment"]
    assert app["RTAPP_ENV"] == "production"
    assert {"SECRET_KEY", "DATABASE_URL", "REDIS_URL", "RTAPP_URL", "RTAPP_PROXIES"} <= set(app)
    for name in ("SECRET_KEY", "DATABASE_URL"):
        assert re.search(r"\$\{[A-Z_]+:\?", app[name]), f"{name} has no value of its own"


def unknown_settings(names: set[str]) -> set[str]:
    """Those that the README's table of settings does not have; gunicorn's own is beside it."""
    known = re.findall(r"^\| (`.+?`) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    return names - set(re.findall(r"`([A-Z_]+)`", " ".join(known))) - {"WEB_CONCURRENCY"}


def test_every_setting_of_the_files_is_one_of_the_readmes():
    text = (ROOT / "deploy/rtapp.env").read_text()
    file = set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE))
    assert len(file) >= 8
    assert unknown_settings(file) == set()
    assert unknown_settings(set(compose()["services"]["app"]["environment"])) == set()
    assert unknown_settings({"RTAPP_URLS"}) == {"RTAPP_URLS"}


def test_the_image_is_made_by_the_scripts_that_are_there():
    dockerfile = (ROOT / "Dockerfile").read_text()
    named = set(re.findall(r"(?<![\w/])bin/[a-z]+", dockerfile))
    assert named >= {"bin/install"}
    for name in named:
        assert (ROOT / name).stat().st_mode & 0o100, f"{name} can't be run"
    ignored = (ROOT / ".dockerignore").read_text().split()
    carried = {"app.py", "gunicorn.conf.py", "rtapp", "templates", "static", "migrations", "bin"}
    assert carried.isdisjoint(ignored)


def test_redis_gets_what_the_page_promises():
    lines = (ROOT / "deploy/redis.conf").read_text().splitlines()
    assert {"appendonly yes", "maxmemory-policy noeviction"} <= set(lines)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd")
@pytest.mark.parametrize("unit", ["rtapp.service", "rtapp-backup.service", "rtapp-backup.timer"])
def test_a_unit_is_one_that_systemd_takes(unit, tmp_path):
    for file in (ROOT / "deploy").glob("rtapp*.[st]*"):
        text = file.read_text().replace("/opt/rtapp/bin/", f"{ROOT}/bin/")
        (tmp_path / file.name).write_text(text)
    assert complaints(tmp_path / unit) == ""
    (tmp_path / unit).write_text((tmp_path / unit).read_text() + "[Install]\nNoSuchWord=yes\n")
    assert "NoSuchWord" in complaints(tmp_path / unit)


def complaints(unit: Path) -> str:
    """What systemd says about this unit; it looks at those of the machine, too."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True
    )
    return "\n".join(line for line in done.stderr.splitlines() if "rtapp" in line)
