import time
from typing import cast

import pytest
from pydantic import SecretStr, ValidationError

from coedit.runtime.settings import SettingsError, SharedSettings, refuse_unknown
from services.gateway.access.access import Access
from services.gateway.limits.authors import Authors
from services.gateway.settings import GatewaySettings
from services.transformer.settings import TransformerSettings


@pytest.mark.parametrize("name", ["COEDIT_SHARDS", "COEDIT_GATEWAY_PROT", "coedit_redis", "COEDIT_"])
def test_misspelt_setting_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        refuse_unknown(GatewaySettings, "gateway", {name: "1", "COEDIT_GATEWAY_PORT": "1"})


def test_settings_of_other_services_are_theirs_to_check() -> None:
    refuse_unknown(
        TransformerSettings, "transformer", {"COEDIT_GATEWAY_PROT": "1", "COEDIT_SHARD_COUNT": "8"}
    )


def test_secret_has_no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COEDIT_SECRET", raising=False)
    with pytest.raises(ValidationError, match="secret"):
        SharedSettings()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://host:1/0?a=b", "redis://gate%40:p%2F%3Aw@host:1/0?a=b"),
        ("redis+sentinel://a:1,b:2/main/0", "redis+sentinel://gate%40:p%2F%3Aw@a:1,b:2/main/0"),
        ("unix:///run/redis.sock", "unix://gate%40:p%2F%3Aw@/run/redis.sock"),
        ("redis://own:word@host:1/0", "redis://own:word@host:1/0"),
    ],
)
def test_whoever_connects_to_redis_is_the_user(
    url: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = {"URL": url, "USER": "gate@", "PASSWORD": "p/:w"}
    for name, value in named.items():
        monkeypatch.setenv(f"COEDIT_REDIS_{name}", value)
    assert SharedSettings(secret=SecretStr("x" * 16)).redis_url == expected
    monkeypatch.setenv("COEDIT_REDIS_PASSWORD", "")
    assert SharedSettings(secret=SecretStr("x" * 16)).redis_url == url


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_open_mode_is_for_loopback(host: str) -> None:
    Access(_settings(host), time.time, cast("Authors", None))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_open_mode_is_refused_where_others_can_reach_it(host: str) -> None:
    with pytest.raises(SettingsError, match="loopback"):
        Access(_settings(host), time.time, cast("Authors", None))


def _settings(host: str) -> GatewaySettings:
    return GatewaySettings(secret="x" * 16, gateway_open=True, gateway_host=host)


def test_error_about_the_secret_does_not_tell_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COEDIT_SECRET", "too-short-told")
    with pytest.raises(ValidationError) as raised:
        SharedSettings()
    assert "too-short-told" not in str(raised.value)
