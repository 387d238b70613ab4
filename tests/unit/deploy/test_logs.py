"""What Redis and HAProxy say goes out as JSON lines, to the last one, and they end as they would alone."""

import json
import subprocess
import time
from pathlib import Path

import pytest

_JSON = Path(__file__).resolve().parents[3] / "deploy/logs/as_json.sh"


def _lines(command: str, *, code: int = 0) -> list[dict[str, str]]:
    done = subprocess.run(
        ["sh", _JSON, "redis", "sh", "-c", command], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            r'1:M 03 Feb 2026 20:30:10.123 * a "word" and a \path	tab',
            {
                "at": "2026-02-03T20:30:10.123+00:00",
                "level": "info",
                "message": 'a "word" and a \\path tab',
            },
        ),
        (
            "27:C 30 Nov 2026 00:00:00.001 # Can't recover from AOF write error",
            {
                "at": "2026-11-30T00:00:00.001+00:00",
                "level": "warning",
                "message": "Can't recover from AOF write error",
            },
        ),
        (
            "2026-11-30T20:30:10.123456+00:00 Server gateways/gateway1 is DOWN, reason: Layer7 timeout",
            {
                "at": "2026-11-30T20:30:10.123456+00:00",
                "level": "warning",
                "message": "Server gateways/gateway1 is DOWN, reason: Layer7 timeout",
            },
        ),
        (
            "[ALERT]    (8) : backend 'gateways' has no server available!",
            {"level": "error", "message": "backend 'gateways' has no server available!"},
        ),
        ("=== REDIS BUG REPORT START", {"level": "info", "message": "=== REDIS BUG REPORT START"}),
        ("", {"level": "info", "message": ""}),
    ],
)
def test_line_of_redis_or_haproxy_becomes_json(line: str, expected: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "line").write_text(f"{line}\n")
    assert _lines(f"cat {tmp_path / 'line'}") == [{"service": "redis", **expected}]


def test_what_is_said_at_the_end_is_written_and_the_exit_code_kept() -> None:
    lines = _lines("echo first; printf last >&2; exit 3", code=3)
    assert [line["message"] for line in lines] == ["first", "last"]


def test_signal_reaches_the_command_which_ends_in_its_own_time() -> None:
    command = "trap 'sleep 0.2; echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done"
    running = subprocess.Popen(["sh", _JSON, "redis", "sh", "-c", command], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert json.loads(running.stdout.readline())["message"] == "up"
    started_at = time.monotonic()
    running.terminate()
    rest, _ = running.communicate(timeout=30)
    assert json.loads(rest)["message"] == "bye"
    assert running.returncode == 7
    assert time.monotonic() - started_at < 20
