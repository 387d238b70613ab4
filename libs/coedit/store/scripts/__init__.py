"""The Lua scripts that Redis runs for coedit; each compares everything before its first write."""

from importlib.resources import files


def source(name: str) -> str:
    """Return the text of the script ``name``, such as ``commit.lua``."""
    return files(__name__).joinpath(name).read_text("utf-8")
