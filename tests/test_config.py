import stat

import pytest

from rtapp import vapid
from rtapp.config import Settings
from rtapp.config import SettingsError

PRODUCTION = {"RTAPP_ENV": "production", "SECRET_KEY": "s" * 32, "REDIS_URL": "redis://r"}


def read(folder, **more):
    return Settings.from_environ({"RTAPP_INSTANCE": str(folder / "instance"), **more})


def test_settings_have_the_documented_defaults(tmp_path):
    settings = read(tmp_path)
    assert (settings.host, settings.port, settings.redis_url) == ("127.0.0.1", 8000, None)
    assert (settings.streams_per_user, settings.streams_per_address) == (50, 200)
    assert settings.database_url == f"sqlite:///{tmp_path / 'instance'}/rtapp.sqlite3"
    assert not settings.production
    assert settings.rate_limits
    assert settings.proxies == 0


@pytest.mark.parametrize(
    ("more", "proxies"),
    [({"HOST": "::1"}, 0), ({"HOST": "unix:/run/x"}, 1),
     ({"HOST": "unix:/run/x", "RTAPP_PROXIES": "0"}, 0)],
)  # fmt: skip
def test_a_unix_socket_has_one_proxy_in_front_of_it_unless_the_setting_is_another(
    tmp_path, more, proxies
):
    assert read(tmp_path, **more).proxies == proxies


def test_rate_limits_are_disabled_only_by_the_value_off(tmp_path):
    assert not read(tmp_path, RTAPP_RATE_LIMITS="off").rate_limits
    with pytest.raises(SettingsError, match="RTAPP_RATE_LIMITS"):
        read(tmp_path, RTAPP_RATE_LIMITS="no")


def test_the_secret_key_is_created_once_per_instance_and_readable_by_its_owner_only(tmp_path):
    first = read(tmp_path).secret_key
    path = tmp_path / "instance" / "secret_key"
    assert len(first) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read(tmp_path).secret_key == first
    assert read(tmp_path / "other").secret_key != first


def test_production_accepts_complete_settings(tmp_path):
    assert read(tmp_path, **PRODUCTION).production


@pytest.mark.parametrize("missing", ["SECRET_KEY", "REDIS_URL"])
def test_production_refuses_a_missing_setting_by_name(tmp_path, missing):
    with pytest.raises(SettingsError, match=missing):
        read(tmp_path, **{**PRODUCTION, missing: ""})


def test_production_refuses_a_short_secret_key_and_does_not_print_it(tmp_path):
    short = PRODUCTION["SECRET_KEY"][1:]
    with pytest.raises(SettingsError, match="SECRET_KEY has less than 32") as refused:
        read(tmp_path, **{**PRODUCTION, "SECRET_KEY": short})
    assert short not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "http"), ("PORT", "-1"), ("PORT", "65536"), ("PORT", "٨"), ("RTAPP_ENV", "test"),
     ("RTAPP_STREAMS_PER_USER", "many"), ("RTAPP_STREAMS_PER_ADDRESS", "1.5")],
)  # fmt: skip
def test_an_invalid_setting_is_refused_by_name(tmp_path, name, value):
    with pytest.raises(SettingsError, match=name):
        read(tmp_path, **{name: value})


def test_a_stream_limit_of_zero_is_accepted(tmp_path):
    assert read(tmp_path, RTAPP_STREAMS_PER_USER="0").streams_per_user == 0


@pytest.mark.parametrize("value", ["short", "fifteen-letters", "with a space in it", "é" * 16])
def test_a_token_for_metrics_that_can_be_guessed_or_not_sent_is_refused_and_not_printed(
    tmp_path, value
):
    with pytest.raises(SettingsError, match="RTAPP_METRICS") as refused:
        read(tmp_path, RTAPP_METRICS=value)
    assert value not in str(refused.value)


def test_a_long_token_for_metrics_is_accepted_and_none_is_the_default(tmp_path):
    assert read(tmp_path).metrics_token is None
    assert read(tmp_path, RTAPP_METRICS="sixteen-letters!").metrics_token == "sixteen-letters!"


KEY = vapid.encode(b"\x03" * 32)


def test_development_makes_a_key_of_vapid_once_readable_by_its_owner_only(tmp_path):
    first = read(tmp_path).vapid_private_key
    path = tmp_path / "instance" / "vapid_private_key"
    assert vapid.is_public_key(vapid.public_key(first))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read(tmp_path).vapid_private_key == first
    assert read(tmp_path / "other").vapid_private_key != first


def test_production_has_no_push_notifications_without_a_key(tmp_path):
    assert read(tmp_path, **PRODUCTION).vapid_private_key is None
    assert not (tmp_path / "instance" / "vapid_private_key").exists()
    own = {"VAPID_PRIVATE_KEY": KEY, "VAPID_SUBJECT": "mailto:admin@example.net"}
    settings = read(tmp_path, **PRODUCTION, **own)
    assert (settings.vapid_private_key, settings.vapid_subject) == tuple(own.values())


@pytest.mark.parametrize(
    "key",
    [KEY[:-1], KEY + "A", KEY + "=", vapid.public_key(KEY), "A" * 43, "_" * 43, "é" * 43],
)
def test_a_key_of_vapid_that_is_none_is_refused_and_not_printed(tmp_path, key):
    with pytest.raises(SettingsError, match="VAPID_PRIVATE_KEY is no private key") as refused:
        read(tmp_path, VAPID_PRIVATE_KEY=key)
    assert key not in str(refused.value)


def test_a_damaged_key_in_the_instance_folder_is_named(tmp_path):
    read(tmp_path)
    path = tmp_path / "instance" / "vapid_private_key"
    path.write_text("damaged")
    with pytest.raises(SettingsError, match=str(path)):
        read(tmp_path)


@pytest.mark.parametrize("subject", ["", "admin@example.com", "mailto:admin", "http://x.example"])
def test_production_refuses_push_notifications_without_an_address_of_the_operator(
    tmp_path, subject
):
    own = {"VAPID_PRIVATE_KEY": KEY, "VAPID_SUBJECT": subject}
    with pytest.raises(SettingsError, match="VAPID_SUBJECT"):
        read(tmp_path, **PRODUCTION, **own)


def test_the_hosts_of_own_push_services_are_read_and_checked(tmp_path):
    settings = read(tmp_path, PUSH_ENDPOINT_HOSTS="Push.lan:8443, localhost")
    assert settings.push_endpoint_hosts == {"push.lan:8443", "localhost"}
    assert read(tmp_path).push_endpoint_hosts == set()
    for value in ("https://push.lan", "push.lan/x", "user@push.lan", "a b"):
        with pytest.raises(SettingsError, match="PUSH_ENDPOINT_HOSTS"):
            read(tmp_path, PUSH_ENDPOINT_HOSTS=value)


def test_the_settings_as_text_have_no_secret(tmp_path):
    secrets = {
        "SECRET_KEY": "the-key", "REDIS_URL": "redis://:the-password@r",
        "DATABASE_URL": "postgresql+psycopg://u:the-other-password@d/x",
        "RTAPP_METRICS": "the-token-of-metrics", "VAPID_PRIVATE_KEY": KEY,
    }  # fmt: skip
    settings = read(tmp_path, **secrets)
    assert settings.redis_url == secrets["REDIS_URL"]
    assert "the-" not in repr(settings)
    assert KEY not in repr(settings)
