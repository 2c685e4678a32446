"""The socket that `web` listens on: the app's own, on PORT and nowhere else (factor VII)."""

import socket

from app.errors import PortUnavailable


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
