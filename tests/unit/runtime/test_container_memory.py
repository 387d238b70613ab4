from pathlib import Path

import pytest

from coedit.runtime.container_memory import container_bytes


@pytest.mark.parametrize(
    ("said", "bound"), [("536870912\n", 536870912), ("max\n", None), ("", None), (None, None)]
)
def test_the_bound_is_what_the_control_group_says(
    tmp_path: Path, said: str | None, bound: int | None
) -> None:
    if said is not None:
        (tmp_path / "memory.max").write_text(said)
    assert container_bytes((tmp_path / "none", tmp_path / "memory.max")) == bound
