"""What both servers do, that of the page and that of a bundle, where a port cannot be had or an answer given."""

import socket

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from pneumonia.errors import UserError


def refuse_taken(host: str, port: int) -> None:
    """Make sure, before the model is loaded, that a server can listen there.

    Raises:
        UserError: no such host or port, or one that is in use.
    """
    if not 0 < port < 2**16:
        raise UserError(f"port is {port}; it may be 1 to 65535")
    try:
        [(family, kind, _, _, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with socket.socket(family, kind) as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(address)
    except socket.gaierror as error:
        raise UserError(f"host {host!r} is not known ({error.strerror}); it may be 127.0.0.1 or 0.0.0.0") from error
    except OSError as error:
        raise UserError(f"port {port} of {host} cannot be had ({error.strerror}); --port may be another") from error


def tell_failures(app: FastAPI) -> None:
    """Have the server tell what fails unforeseen as `detail` with status 500, and be silent where a client left."""

    @app.exception_handler(ClientDisconnect)
    async def answer_nobody(request: Request, error: Exception) -> Response:
        """Nobody hears it, but without it the server would print a traceback."""
        return Response(status_code=400)

    @app.exception_handler(Exception)
    async def tell_failure(request: Request, error: Exception) -> Response:
        """Uvicorn also prints the traceback."""
        return JSONResponse({"detail": f"the server failed: {type(error).__name__}, see its terminal"}, 500)
