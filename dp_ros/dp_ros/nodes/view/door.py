# SPDX-License-Identifier: Apache-2.0
"""Who may open the page: the server of viser behind a check of every request.

A page of another site in the same browser can send requests to this machine, too: only the
view's own address is admitted, by the headers Host and Origin, which no page can choose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
import errno
import hmac
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from io import StringIO
import ipaddress
import secrets
import socket
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

_COOKIE: Final = 'dp_ros_view'


class DoorError(ValueError):
    """The page cannot be served; the message says what to do."""


@dataclass(frozen=True)
class Answer:
    """An answer in place of the page."""

    status: HTTPStatus
    text: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Door:
    """Admits requests.

    :param token: word that the link has to hold; empty: the page is for this machine only.
    """

    token: str = ''

    def answer(self, path: str, headers: Mapping[str, str]) -> Answer | None:
        """Return the answer to a request that is not admitted, or None."""
        host = headers.get('Host', '')
        origin = headers.get('Origin')
        if origin is not None and urlsplit(origin).netloc != host:
            return _refusal(f'a page of {origin} cannot use this view')
        if not self.token:
            if is_local(urlsplit(f'//{host}').hostname or ''):
                return None
            return _refusal('this view is for the machine on which it runs')
        given = parse_qs(urlsplit(path).query).get('token', [''])[0]
        if self._is_token(given):
            cookie = f'{_COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/'
            return Answer(HTTPStatus.FOUND, '', {'Location': '/', 'Set-Cookie': cookie})
        if self._is_token(_cookie(headers.get('Cookie', ''))):
            return None
        return _refusal('open the link that the view has written to its log: it holds a token')

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self.token.encode())


def door_for(host: str, token: str) -> Door:
    """Return the door of a page that is served on an address."""
    return Door() if is_local(host) else Door(token or secrets.token_urlsafe(9))


def is_local(host: str) -> bool:
    """Tell whether an address is reached from this machine only."""
    if host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def link(host: str, port: int, door: Door) -> str:
    """Return the address to type into a browser."""
    if not door.token:
        return f'http://{host}:{port}'
    anywhere = host in ('', '0.0.0.0', '::')
    return f'http://{socket.gethostname() if anywhere else host}:{port}/?token={door.token}'


def open_server(host: str, port: int, door: Door) -> Any:
    """Return the running viser.ViserServer.

    :raises DoorError: when viser is not installed, or the port is taken.
    """
    try:
        import viser
        from viser._messages import ShareUrlRequest
    except ImportError as error:
        raise DoorError(f'the view needs viser: pip install viser pycollada ({error})') from None
    _check_free(host, port)
    with _guarded(door), redirect_stdout(StringIO()):
        server = viser.ViserServer(host=host, port=port, verbose=False)
    # A press of "share" would open a tunnel from the internet to the arm.
    server._websock_server._incoming_handlers.pop(ShareUrlRequest, None)
    if port and server.get_port() != port:
        close_server(server)
        raise _taken(host, port)
    return server


def close_server(server: Any) -> None:
    """Close all pages; viser would print about it."""
    with redirect_stdout(StringIO()):
        server.stop()


def _check_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except socket.gaierror as error:
            raise DoorError(f'host {host!r}: {error.strerror}') from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise _taken(host, port) from None
            raise DoorError(f'cannot serve on {host}:{port}: {error.strerror}') from None


def _taken(host: str, port: int) -> DoorError:
    return DoorError(
        f'port {port} of {host} is taken, perhaps by another view: choose one with --port, '
        f'as --port {port + 1}'
    )


@contextmanager
def _guarded(door: Door) -> Iterator[None]:
    """Let the server that viser starts meanwhile ask the door first."""
    from websockets.asyncio import server as websockets_server
    from websockets.datastructures import Headers
    from websockets.http11 import Response

    serve = websockets_server.serve

    def guarded(*args: Any, process_request: Any = None, **given: Any) -> Any:
        def check(connection: Any, request: Any) -> Any:
            answer = door.answer(request.path, request.headers)
            if answer is None:
                return process_request(connection, request)
            body = answer.text.encode()
            headers = {'Content-Length': str(len(body)), 'Content-Type': 'text/plain'}
            return Response(
                answer.status, answer.status.phrase, Headers(headers | dict(answer.headers)), body
            )

        return serve(*args, process_request=check, **given)

    websockets_server.serve = guarded  # type: ignore[assignment,misc]
    try:
        yield
    finally:
        websockets_server.serve = serve  # type: ignore[misc]


def _refusal(text: str) -> Answer:
    return Answer(HTTPStatus.FORBIDDEN, f'{text}\n', {})


def _cookie(text: str) -> str:
    try:
        found = SimpleCookie(text).get(_COOKIE)
    except CookieError:
        return ''
    return '' if found is None else found.value
