from coedit.runtime.logs import Sparse


def test_flood_of_a_kind_is_a_line_an_interval_with_their_count() -> None:
    now = 100.0
    sparse = Sparse(10.0, lambda: now)
    assert [sparse.count("a") for _ in range(5)] == [1, 0, 0, 0, 0]
    assert sparse.count("b") == 1
    now = 109.9
    assert sparse.count("a") == 0
    now = 110.0
    assert [sparse.count("a"), sparse.count("a")] == [6, 0]
