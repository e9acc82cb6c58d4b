import stat

import pytest

from rtapp.config import Settings
from rtapp.config import SettingsError

PRODUCTION = {"RTAPP_ENV": "production", "SECRET_KEY": "s", "REDIS_URL": "redis://r"}


def read(folder, **more):
    return Settings.from_environ({"RTAPP_INSTANCE": str(folder / "instance"), **more})


def test_the_defaults_are_those_of_the_protocol(tmp_path):
    settings = read(tmp_path)
    assert (settings.host, settings.port, settings.redis_url) == ("127.0.0.1", 8000, None)
    assert (settings.streams_per_user, settings.streams_per_address) == (50, 200)
    assert settings.database_url == f"sqlite:///{tmp_path / 'instance'}/rtapp.sqlite3"
    assert not settings.production
    assert settings.rate_limits
    assert settings.proxies == 0


def test_rate_limits_are_lifted_by_the_word_off_and_no_other(tmp_path):
    assert not read(tmp_path, RTAPP_RATE_LIMITS="off").rate_limits
    with pytest.raises(SettingsError, match="RTAPP_RATE_LIMITS"):
        read(tmp_path, RTAPP_RATE_LIMITS="no")


def test_the_secret_is_made_once_and_for_its_owner_only(tmp_path):
    first = read(tmp_path).secret_key
    path = tmp_path / "instance" / "secret_key"
    assert len(first) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read(tmp_path).secret_key == first
    assert read(tmp_path / "other").secret_key != first


def test_production_starts_with_all_it_needs(tmp_path):
    assert read(tmp_path, **PRODUCTION).production


@pytest.mark.parametrize("missing", ["SECRET_KEY", "REDIS_URL"])
def test_production_refuses_an_unsafe_default_and_names_it(tmp_path, missing):
    with pytest.raises(SettingsError, match=missing):
        read(tmp_path, **{**PRODUCTION, missing: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "http"), ("PORT", "-1"), ("PORT", "65536"), ("PORT", "٨"), ("RTAPP_ENV", "test"),
     ("RTAPP_STREAMS_PER_USER", "many"), ("RTAPP_STREAMS_PER_ADDRESS", "1.5")],
)  # fmt: skip
def test_a_value_that_cannot_be_used_is_named(tmp_path, name, value):
    with pytest.raises(SettingsError, match=name):
        read(tmp_path, **{name: value})


def test_no_limit_is_a_limit_of_zero(tmp_path):
    assert read(tmp_path, RTAPP_STREAMS_PER_USER="0").streams_per_user == 0
