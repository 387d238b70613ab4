"""What pycrdt raises, and what is wrong with what it gives, as errors that can be caught."""

from collections.abc import Iterator
from contextlib import contextmanager

from coedit.errors import DamagedError, InvalidDeltaError


@contextmanager
def panics_caught(what: str) -> Iterator[None]:
    """Turn whatever pycrdt raises, or gives that is no delta, into a `DamagedError`."""
    try:
        yield
    except (InvalidDeltaError, RuntimeError, ValueError, TypeError, ExceptionGroup) as error:
        raise DamagedError(f"{what}: {error!r}", "fold") from error
    except BaseException as error:
        # A panic of the Rust code is not an Exception, so that nothing else would stop it on its way out.
        if type(error).__name__ != "PanicException":
            raise
        raise DamagedError(f"{what}: {error!r}", "fold") from error
