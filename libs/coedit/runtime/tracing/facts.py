"""What a span says beside its name."""

from collections.abc import Mapping
from types import MappingProxyType

Facts = Mapping[str, str | int | float | bool]
NO_FACTS: Facts = MappingProxyType({})
