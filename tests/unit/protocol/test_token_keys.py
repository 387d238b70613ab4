import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from coedit.errors import UnauthorizedError, UnknownTokenKeyError
from coedit.protocol.token_keys import InvalidTokenKeyError, TokenKey, keys_in, read_token, shared_secret

_LATER = int(time.time()) + 3600
_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_EC = ec.generate_private_key(ec.SECP256R1())
_ED = ed25519.Ed25519PrivateKey.generate()
_SECRET = "a shared secret of thirty-two bytes"
_SIGNERS: dict[str, Any] = {"RS256": _RSA, "ES256": _EC, "EdDSA": _ED, "HS256": _SECRET}


def jwk(private: Any, **more: Any) -> dict[str, Any]:
    algorithm: Any = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "ED": OKPAlgorithm}
    public = private.public_key()
    kind = algorithm["RSA" if private is _RSA else "ED" if private is _ED else "EC"]
    made: dict[str, Any] = json.loads(kind.to_jwk(public))
    return {name: value for name, value in (made | more).items() if name != "key_ops"}


def jwks(*keys: dict[str, Any]) -> str:
    return json.dumps({"keys": keys})


def pem(private: Any) -> str:
    key = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return bytes(key).decode()


ALL = [*keys_in(jwks(jwk(_RSA, kid="r"), jwk(_EC, kid="e"), jwk(_ED, kid="d"))), shared_secret(_SECRET)]


def token(algorithm: str, key: Any = None, kid: str | None = None, **claims: Any) -> str:
    said = {"sub": "ada", "exp": _LATER, "documents": {"*": "write"}} | claims
    head = {} if kid is None else {"kid": kid}
    return jwt.encode(said, key or _SIGNERS[algorithm], algorithm, headers=head)


@pytest.mark.parametrize("algorithm", _SIGNERS)
def test_token_of_a_known_key_names_its_author(algorithm: str) -> None:
    identity = read_token(token(algorithm), ALL, (), "", time.time())
    assert identity.author == "ada"
    assert identity.expires_at == _LATER + 30


@pytest.mark.parametrize("text", [pem(_RSA), pem(_EC), pem(_ED), pem(_RSA) + pem(_EC)])
def test_pem_file_holds_keys(text: str) -> None:
    keys = keys_in(text)
    assert [key.algorithm for key in keys] in (["RS256"], ["ES256"], ["EdDSA"], ["RS256", "ES256"])
    assert read_token(token(keys[0].algorithm), keys, (), "", time.time()).author == "ada"


def test_algorithm_is_never_the_tokens() -> None:
    """Who knows a public key could sign by it as by a secret."""
    public = pem(_RSA)
    head, body, _ = token("RS256").split(".")
    forged_head = jwt.utils.base64url_encode(b'{"alg":"HS256","typ":"JWT"}').decode()
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signed = signature.sign(f"{forged_head}.{body}".encode(), public.encode())
    forged = f"{forged_head}.{body}.{jwt.utils.base64url_encode(signed).decode()}"
    assert head != forged_head
    for keys in (keys_in(public), ALL):
        with pytest.raises(UnauthorizedError):
            read_token(forged, keys, (), "", time.time())
    with pytest.raises(UnauthorizedError):
        read_token(jwt.encode({"sub": "eve", "exp": _LATER}, "", "none"), ALL, (), "", time.time())


def test_jwks_never_holds_a_shared_secret() -> None:
    secret = jwt.utils.base64url_encode(_SECRET.encode()).decode()
    with pytest.raises(InvalidTokenKeyError):
        keys_in(jwks({"kty": "oct", "k": secret, "kid": "s"}))
    keys = keys_in(
        jwks({"kty": "oct", "k": secret}, jwk(_EC), jwk(_RSA, use="enc"), jwk(_ED, alg="RS256"), {})
    )
    assert [key.algorithm for key in keys] == ["ES256"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no keys",
        "[]",
        "{}",
        jwks(),
        '{"keys": 7}',
        "[" * 100_000,
        jwks(*[{}] * 101),
        "-----BEGIN PUBLIC KEY-----\nnone\n-----END PUBLIC KEY-----\n",
        pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
        pem(ec.generate_private_key(ec.SECP384R1())),
    ],
    ids=range(11),
)
def test_what_holds_no_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidTokenKeyError):
        keys_in(text)


def test_secret_that_is_short_is_refused() -> None:
    with pytest.raises(InvalidTokenKeyError, match="32"):
        shared_secret("x" * 31)


def test_key_id_chooses_the_key() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    keys = keys_in(jwks(jwk(other, kid="new"), jwk(_EC, kid="old")))
    assert read_token(token("ES256", kid="old"), keys, (), "", time.time()).author == "ada"
    assert read_token(token("ES256"), keys, (), "", time.time()).author == "ada"
    with pytest.raises(UnknownTokenKeyError):
        read_token(token("ES256", kid="never heard of"), keys, (), "", time.time())
    with pytest.raises(UnauthorizedError) as refused:
        read_token(token("ES256", kid="new"), keys, (), "", time.time())
    assert not isinstance(refused.value, UnknownTokenKeyError), "its key is known: no other is looked for"


_REFUSED: dict[str, dict[str, Any]] = {
    "expired": {"exp": -40},
    "not yet": {"nbf": 600},
    "from the future": {"iat": 600},
    "without an expiry": {"exp": None},
    "without an author": {"sub": None},
    "of another issuer": {"iss": "https://other.example"},
    "of no issuer": {"iss": None},
    "for somebody else": {"aud": "other"},
    "for nobody": {"aud": None},
    "with a colour that is none": {"colour": "red"},
    "with a picture from elsewhere": {"avatar": "http://example.org/a.png"},
    "with a picture that runs": {"avatar": "javascript:alert(1)"},
    "with a name that is none": {"name": 7},
}
_WHOLE = {"iss": "https://id.example", "aud": ["coedit", "other"]}


def _claims(changed: dict[str, Any]) -> dict[str, Any]:
    """Return whole claims with some changed; times are seconds from now."""
    claims: dict[str, Any] = {"sub": "ada", "exp": 3600, "documents": {"*": "write"}} | _WHOLE | changed
    now = int(time.time())
    return {
        name: now + value if name in ("exp", "nbf", "iat") else value
        for name, value in claims.items()
        if value is not None
    }


@pytest.mark.parametrize("changed", _REFUSED.values(), ids=_REFUSED)
def test_token_that_is_signed_and_not_valid_is_refused(changed: dict[str, Any]) -> None:
    said = jwt.encode(_claims(changed), _EC, "ES256")
    with pytest.raises(UnauthorizedError) as refused:
        read_token(said, ALL, ("https://id.example",), "coedit", time.time())
    assert not isinstance(refused.value, UnknownTokenKeyError), "its key is known: no other is looked for"


@pytest.mark.parametrize("changed", [{}, {"aud": "coedit"}, {"exp": -20}, {"nbf": 20}])
def test_clocks_may_differ_by_half_a_minute(changed: dict[str, Any]) -> None:
    said = jwt.encode(_claims(changed), _EC, "ES256")
    assert (
        read_token(said, ALL, ("https://other.example", "https://id.example"), "coedit", time.time()).author
        == "ada"
    )


def test_token_for_an_audience_needs_one() -> None:
    with pytest.raises(UnauthorizedError, match="udience"):
        read_token(jwt.encode(_claims({}), _EC, "ES256"), ALL, (), "", time.time())


def test_claims_say_how_somebody_is_shown() -> None:
    said = token("HS256", name="Ada " * 40, color="#ff8800", avatar="https://example.org/a.png", team="red")
    identity = read_token(said, ALL, (), "", time.time())
    assert (identity.name, identity.colour) == (("Ada " * 40)[:64], "#ff8800")
    assert identity.avatar == "https://example.org/a.png"
    assert identity.claims["team"] == "red"


def test_name_that_was_cut_within_a_character_is_shown() -> None:
    identity = read_token(token("HS256", name="Ada \ud83d"), ALL, (), "", time.time())
    assert identity.name == "Ada ?"


def test_head_that_cannot_be_read_is_refused() -> None:
    keys: list[TokenKey] = []
    for said in ("", "a.b.c", "x" * 20_000, "e30.e30.e30"):
        with pytest.raises(UnauthorizedError):
            read_token(said, keys, (), "", time.time())
