"""Which addresses a document may lead to, as links and as images: none that runs anything."""

import re

_LINK_SCHEMES = {"http", "https", "mailto", "tel", "sms", "ftp"}
_IMAGE_SCHEMES = {"http", "https"}
_IMAGE_DATA = re.compile(r"data:image/(png|jpeg|gif|webp|avif);base64,[A-Za-z0-9+/=]+", re.IGNORECASE)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_REFUSED = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029<>\"`]")
"""What no address holds unencoded. Browsers take some of these out before they look at the scheme."""


def is_safe_link(address: object) -> bool:
    """Tell whether something is an address to follow: of a scheme that is known to be harmless, or relative."""
    return isinstance(address, str) and _has_scheme_of(address, _LINK_SCHEMES)


def is_safe_image(address: object) -> bool:
    """Tell whether something is the address of an image, or one as ``data:``; an SVG, which may run scripts, is not."""
    if not isinstance(address, str):
        return False
    return _has_scheme_of(address, _IMAGE_SCHEMES) or _IMAGE_DATA.fullmatch(address) is not None


def _has_scheme_of(address: str, schemes: set[str]) -> bool:
    if not address or _REFUSED.search(address):
        return False
    scheme = _SCHEME.match(address)
    if scheme is None:
        # What a browser may take for a scheme, before the first slash, is not left to chance.
        return ":" not in re.split(r"[/?#]", address, maxsplit=1)[0]
    return scheme[1].lower() in schemes
