import pytest

from coedit.runtime.settings import SettingsError
from services.gateway.access.key_ring import KeyRing
from services.gateway.settings import GatewaySettings


def ring(keys: str) -> KeyRing:
    return KeyRing(
        GatewaySettings.model_validate({"secret": "a secret of sixteen bytes", "token_keys": keys})
    )


@pytest.mark.parametrize(
    "keys",
    [
        "secret:short",
        "http://issuer.example/jwks.json",
        "ftp://example.org",
        "keys.pem",
        "https://[",
        "[7]",
        "[ x",
    ],
)
def test_what_is_no_key_is_refused(keys: str) -> None:
    with pytest.raises(SettingsError, match="COEDIT_TOKEN_KEYS"):
        ring(keys)


def test_what_may_stand_there_does() -> None:
    assert not ring("")
    sources = ["https://a.example/jwks", "http://127.0.0.1:1/k", "/etc/keys.pem"]
    several = ring(" ".join([*sources, "secret:of-at-least-thirty-two-bytes-here"]))
    assert several.missing == sources
