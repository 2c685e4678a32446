"""PostgreSQL for development and tests: the real server, on 127.0.0.1, which dies with whoever started it."""

import contextlib
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg

from dev.programs import SHARED, die_with_parent, end_with_parent, is_alive, server_programs, unprivileged_user

START_SECONDS = 60.0
# A crash of the machine may cost the data, and nothing waits for the disk.
THROW_AWAY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_connections": "300"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Postgres:
    """The server over one folder. `stop` and `start` again keep port and data."""

    def __init__(self, folder: Path, options: Mapping[str, str] | None = None) -> None:
        self.folder, self.options, self.port = folder, options or {}, 0
        self.data, self.password_file = folder / "data", folder / "password"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://postgres:{self.password_file.read_text()}@127.0.0.1:{self.port}/app"

    def spawn(self, program: str, *arguments: str | Path) -> subprocess.Popen[bytes]:
        user = unprivileged_user()
        with (self.folder / "postgres.log").open("ab") as log:
            return subprocess.Popen(
                [server_programs() / program, *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C"},
                user=user and user.pw_uid, group=user and user.pw_gid, extra_groups=[] if user else None,
                start_new_session=True,  # Ctrl-C is for the command; the server outlasts it
                preexec_fn=die_with_parent(signal.SIGINT),
            )  # fmt: skip

    def create(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self.password_file.write_text(secrets.token_urlsafe(16))
        if user := unprivileged_user():
            for path in (self.folder, self.password_file):
                os.chown(path, user.pw_uid, user.pw_gid)
        half_made = self.folder / "half-made"
        shutil.rmtree(half_made, ignore_errors=True)
        access = ["--username=postgres", "--auth=scram-sha-256", f"--pwfile={self.password_file}"]
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        if self.spawn("initdb", "-D", half_made, "--no-sync", *access, *locale).wait() != 0:
            raise SystemExit(f"initdb failed, see {self.folder / 'postgres.log'}")
        half_made.rename(self.data)

    def start(self) -> None:
        """Return when the server takes connections and its database `app` exists."""
        if not self.data.exists():
            self.create()
        self.port = self.port or free_port()
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", **self.options}
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.process = self.spawn("postgres", "-D", self.data, "-p", str(self.port), *flags)
        end_with_parent(self.process.pid)
        deadline = time.monotonic() + START_SECONDS
        while self.ready_pid() != self.process.pid:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"PostgreSQL did not start, see {self.folder / 'postgres.log'}")
            time.sleep(0.02)
        with psycopg.connect(self.url, dbname="postgres", autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'app'").fetchone():
                connection.execute("CREATE DATABASE app")

    def ready_pid(self) -> int | None:
        """Who says in the server's own file that it is ready: on the port, a stranger may answer."""
        with contextlib.suppress(OSError, IndexError, ValueError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            self.port = int(lines[3])
            return int(lines[0]) if lines[7].strip() == "ready" else None
        return None

    def is_running(self) -> bool:
        """Somebody else has started it, as `make dev` in another terminal does."""
        if self.ready_pid() is None:
            return False
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url, connect_timeout=2):
            return True
        return False

    def stop(self, with_signal: signal.Signals = signal.SIGINT) -> None:
        """End the server: with SIGINT it disconnects everyone and writes all down, with SIGQUIT it crashes."""
        if self.process is None:
            return
        self.process.send_signal(with_signal)
        self.process.wait(30)
        self.process = None


@contextlib.contextmanager
def throw_away_postgres(options: Mapping[str, str] | None = None) -> Iterator[Postgres]:
    """A fast server whose data vanish with it."""
    place = SHARED if unprivileged_user() else Path(tempfile.gettempdir())
    for left in place.glob(f"postgres-{os.geteuid()}-*"):  # by somebody who was killed
        if not is_alive(int(left.name.split("-")[2])):
            shutil.rmtree(left, ignore_errors=True)
    folder = place / f"postgres-{os.geteuid()}-{os.getpid()}-{secrets.token_hex(4)}"
    server = Postgres(folder, {**THROW_AWAY, **(options or {})})
    try:
        server.start()
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running_postgres(project: Path) -> Iterator[str]:
    """The URL of the server that keeps this project's data, started here unless another process has done so."""
    folder = project / ".postgres"
    if unprivileged_user():  # cannot enter a 0700 folder: its data lie beside its programs
        folder = SHARED / f"postgres-{hashlib.sha256(os.fsencode(project.resolve())).hexdigest()[:16]}"
    server = Postgres(folder)
    try:
        if not server.is_running():
            server.start()
        yield server.url
    finally:
        server.stop()
