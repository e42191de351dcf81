"""Ports of run processes on this host: always loopback."""

from __future__ import annotations

import socket

import psutil

from shared.errors import PortInUse

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port nobody listens on now; another process may still take it before it is used."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        port: int = listener.getsockname()[1]
        return port


def claim_check(port: int) -> None:
    """Raises PortInUse when somebody listens on `port` already."""
    with socket.socket() as listener:
        # Ports that only linger after a closed connection are free for a server.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError as error:
            raise port_in_use(port, str(error)) from error


def port_in_use(port: int, why: str) -> PortInUse:
    """The error for a port that is taken."""
    return PortInUse(
        f"Port {port} is taken by another process",
        why,
        f"start the run again, on another port, or end what listens there: `lsof -i :{port}`",
        port=port,
    )


def listens(processes: list[psutil.Process], port: int) -> bool:
    """Does one of `processes` listen on `port`? A stranger may answer there in its place."""
    return any(_listens(process, port) for process in processes)


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        connections = process.net_connections(kind="tcp")
    except psutil.NoSuchProcess:
        return False
    return any(item.status == psutil.CONN_LISTEN and item.laddr[1] == port for item in connections)
