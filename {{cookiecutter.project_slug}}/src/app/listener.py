"""The socket that `web` listens on: the app's own, on PORT and nowhere else (factor VII)."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.errors import PortUnavailable

BURST = 64  # connections


def bound_socket(host: str, port: int) -> socket.socket:
    """Bind before serving: uvicorn would log the traceback and exit 1, and with port 0 listen somewhere."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.set_inheritable(True)
    try:
        listener.bind((host, port))
        listener.listen(2048)  # a second process on the port fails here, not when the first one accepts
    except OSError as error:
        listener.close()
        raise PortUnavailable(f"Cannot listen on {host} port {port}: {error.strerror}.") from error
    return listener


class Acceptor:
    """Makes the protocol of each connection; a process that is full takes others that wait along, to refuse them.

    uvloop accepts one connection per turn of its loop. Under overload turns are long: hundreds of clients, and with
    them a platform's probe, would wait in the kernel's queue for seconds before they are even refused. Below that,
    one at a time is right: what waits may be a sibling's. The bench's `overload` tells when this is needed no longer.
    """

    def __init__(self, listener: socket.socket, full: int) -> None:
        self._listener = listener
        self._full = full
        self._accepting: set[asyncio.Task[Any]] = set()  # the loop itself keeps no task alive

    def __call__(self, **parts: Any) -> HttpToolsProtocol:
        """The protocol of a connection that uvloop has accepted; `parts` are uvicorn's, the same for each."""
        if len(parts["server_state"].connections) >= self._full:
            self._accept_waiting(lambda: HttpToolsProtocol(**parts))
        return HttpToolsProtocol(**parts)

    def _accept_waiting(self, make: Callable[[], HttpToolsProtocol]) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(BURST):
            try:
                connection, _peer = self._listener.accept()
            except OSError:  # nobody waits
                return
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as uvloop does itself
            task = loop.create_task(loop.connect_accepted_socket(make, connection))
            self._accepting.add(task)
            task.add_done_callback(self._accepting.discard)
