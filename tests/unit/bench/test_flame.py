"""Flame graphs: each bar's width is its share of the samples of threads at work."""

import re

from bench.flame import draw, read

STACKS = [
    "main (a.py);serve (services/gateway/app.py);send (x.py) 30",
    "main (a.py);serve (services/gateway/app.py) 10",
    "main (a.py);other <b> (y.py) 60",
    "bootstrap (threading.py);_worker (concurrent/futures/thread.py) 900",
]


def test_share_of_a_frame_is_that_of_what_it_calls_too_and_idle_threads_do_not_count() -> None:
    root = read(STACKS)
    (main,) = root.callees.values()
    assert (root.count, main.count) == (100, 100)
    assert [(frame.name[:5], frame.count) for frame in main.callees.values()] == [
        ("serve", 40),
        ("other", 60),
    ]


def test_picture_has_a_bar_for_each_frame_as_wide_as_its_share() -> None:
    picture = draw(read(STACKS), "W1 & more")
    assert "W1 &amp; more" in picture
    assert "other &lt;b&gt; (y.py), 60.0 %" in picture
    widths = [float(width) for width in re.findall(r'y="\d+" width="([\d.]+)"', picture)]
    assert sorted(widths) == [360.0, 480.0, 720.0, 1200.0, 1200.0]
