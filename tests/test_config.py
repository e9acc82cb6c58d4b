import stat

import pytest

from rtapp import vapid
from rtapp.config import Settings
from rtapp.config import SettingsError

PRODUCTION = {
    "RTAPP_ENV": "production", "SECRET_KEY": "s" * 32, "REDIS_URL": "redis://r",
    "DATABASE_URL": "postgresql://d/x",
}  # fmt: skip


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


@pytest.mark.parametrize("missing", ["SECRET_KEY", "REDIS_URL", "DATABASE_URL"])
def test_production_refuses_a_missing_setting_by_name(tmp_path, missing):
    with pytest.raises(SettingsError, match=f"needs {missing} to be set: {missing}="):
        read(tmp_path, **{**PRODUCTION, missing: ""})
    assert not (tmp_path / "instance").exists()


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


@pytest.mark.parametrize(
    ("url", "used"),
    [("postgresql://u:p%40@h:1/d?x=y", "postgresql+psycopg://u:p%40@h:1/d?x=y"),
     ("postgresql+psycopg:///d", "postgresql+psycopg:///d"),
     ("sqlite:////srv/x.sqlite3", "sqlite:////srv/x.sqlite3")],
)  # fmt: skip
def test_postgresql_is_used_by_its_one_driver_and_sqlite_as_it_is_named(tmp_path, url, used):
    assert read(tmp_path, DATABASE_URL=url).database_url == used


@pytest.mark.parametrize(
    ("url", "sentence"),
    [("postgres://u:secret@h/d", "write postgresql:// in its place"),
     ("foo://u:secret@h/d", "begins with foo://; rtapp needs PostgreSQL"),
     ("mysql://u:secret@h/d", "begins with mysql://"),
     ("postgresql+psycopg2://u:secret@h/d", "begins with postgresql\\+psycopg2://"),
     ("postgresql+asyncpg://u:secret@h/d", "begins with postgresql\\+asyncpg://"),
     ("postgresql://u:sec/ret@h:secret/d", "can't be read"),
     ("postgresql://u@h:secret/d", "can't be read"),
     ("secret", "can't be read"),
     ("sqlite://", "names no file"),
     ("sqlite:///:memory:", "names no file")],
)  # fmt: skip
def test_another_database_is_refused_in_one_sentence_without_its_password(tmp_path, url, sentence):
    with pytest.raises(SettingsError, match=sentence) as refused:
        read(tmp_path, DATABASE_URL=url)
    assert "secret" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize("url", ["foo://secret", "r:6379", "redis://r:secret", "redis://r:99999"])
def test_a_redis_url_that_cannot_be_read_is_refused_and_not_printed(tmp_path, url):
    with pytest.raises(SettingsError, match="REDIS_URL can't be read") as refused:
        read(tmp_path, REDIS_URL=url)
    assert url not in str(refused.value)
    for fine in ("redis://:p@r:1/0", "rediss://r", "unix:///run/r", "redis+cluster://a,b"):
        assert read(tmp_path, REDIS_URL=fine).redis_url == fine


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
def test_a_file_of_tls_that_is_not_there_is_refused_at_the_start(tmp_path, option):
    files = {name: tmp_path / name for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")}
    url = "rediss://:secret@r?" + "&".join(f"{name}={path}" for name, path in files.items())
    for path in files.values():
        path.write_text("-")
    assert read(tmp_path, REDIS_URL=url).redis_url == url
    files[option].unlink()
    with pytest.raises(SettingsError, match=f"sets {option} to {files[option]}, which") as refused:
        read(tmp_path, REDIS_URL=url)
    assert "secret" not in str(refused.value)


def test_printed_links_begin_with_the_public_address_else_with_where_it_listens(tmp_path):
    assert read(tmp_path, PORT="8001").base_url == "http://127.0.0.1:8001"
    assert read(tmp_path, HOST="::1").base_url == "http://[::1]:8000"
    assert read(tmp_path, HOST="unix:/run/x").base_url == "http://localhost"
    settings = read(tmp_path, **PRODUCTION, RTAPP_URL="https://Inbox.example.com:8443/")
    assert settings.url == settings.base_url == "https://inbox.example.com:8443"
    assert read(tmp_path).url is None


@pytest.mark.parametrize(
    "url",
    ["inbox.example.com", "ftp://inbox.example.com", "https://x.example/inbox", "https://x/?a",
     "https://user@x.example", "https://x.example#a", "https://", "https://x.example\n", "//x"],
)  # fmt: skip
def test_a_public_address_that_is_no_origin_is_refused(tmp_path, url):
    with pytest.raises(SettingsError, match="RTAPP_URL"):
        read(tmp_path, RTAPP_URL=url)


def test_production_has_a_public_address_of_https_except_on_this_machine(tmp_path):
    with pytest.raises(SettingsError, match="must begin with https://"):
        read(tmp_path, **PRODUCTION, RTAPP_URL="http://inbox.example.com")
    assert read(tmp_path, RTAPP_URL="http://inbox.example.com").url == "http://inbox.example.com"
    for local in ("http://localhost:8000", "http://127.0.0.1", "http://[::1]:1"):
        assert read(tmp_path, **PRODUCTION, RTAPP_URL=local).url == local


@pytest.mark.parametrize(
    ("value", "seconds"), [("", 0), ("off", 0), ("on", 31_536_000), ("300", 300), ("0", 0)]
)
def test_hsts_is_off_unless_it_is_set(tmp_path, value, seconds):
    assert read(tmp_path, RTAPP_HSTS=value).hsts == seconds


@pytest.mark.parametrize("value", ["yes", "-1", "1.5", "1 year"])
def test_another_value_of_hsts_is_refused(tmp_path, value):
    with pytest.raises(SettingsError, match="on, off or a number of seconds"):
        read(tmp_path, RTAPP_HSTS=value)


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
