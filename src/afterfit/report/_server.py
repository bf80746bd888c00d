"""The live page: a server on this machine that shows a store while others write it."""

import asyncio
import contextlib
import hashlib
import json
import os
import pathlib
import secrets
import socket
import threading
import time
import typing
from collections.abc import AsyncIterator, Callable, Generator

from ._answers import diagram, run, runs, status
from ._embedding import embedding
from ._equations import equation_table
from ._landscape import landscape
from ._library import library
from ._live_curves import curves
from ._scene import Choice, Scene
from ._template import packaged
from ._watch import Watch


if typing.TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

PORT = 8765
_NEXT_PORTS = 50  # tried in turn where no port was asked for
_LOCAL = ("127.0.0.1", "localhost", "::1")
_EVERY = 1.0  # seconds between looks at the store
_BEAT = 15.0  # seconds of silence after which an event stream shows that it is alive
_LONGEST = 8_000  # letters behind the "?" of an address: the labels of some axes
_GRACE = 1  # seconds that the answers in progress get at the end
_PARTS = ("paper.css", "look.css", "live.css", "live.js", "page.js", "charts.js", "network.js", "beside.js")
_FILES = {"/": "live.html", **{f"/{name}": name for name in _PARTS}}
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_HEADERS = {
    # Vega makes functions from its expressions, and puts the style of its tooltips into the page.
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",  # no other page may load what this one says
    "Referrer-Policy": "no-referrer",  # the token is in the address
    "Cache-Control": "no-cache",
}

Answer = Callable[[Scene, "Request"], dict[str, typing.Any]]


@contextlib.contextmanager
def live_page(
    store: str | os.PathLike[str],
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    outcomes: str | os.PathLike[str] | None = None,
) -> Generator[str]:
    """Serves the live page of a store for the length of a `with` block, which gets its address.

    On this machine only, unless `host` says otherwise; then the address holds a token, without which nothing
    is answered. Without a `port` the first free one from 8765 on is taken. `outcomes` is a folder with the
    outcomes of studies, whose verdicts are shown beside the runs.

    **Raises:** `StoreError` where there is no store; `ValueError` if the port is taken, or not to be had.
    """
    import uvicorn

    watch = Watch(store, outcomes)
    token = "" if host in _LOCAL else secrets.token_urlsafe(24)
    listening = _listen(host, port)
    number = listening.getsockname()[1]
    end = threading.Event()
    config = uvicorn.Config(
        app(watch, port=number, token=token, end=end),
        log_config=None,  # uvicorn's own would close the handlers of whoever uses this library
        log_level="critical",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE,
    )
    server = uvicorn.Server(config)
    threading.Thread(target=_prepare, args=(watch,), daemon=True).start()
    thread = threading.Thread(target=server.run, args=([listening],), name="live page", daemon=True)
    thread.start()
    try:
        shown = f"[{host}]" if ":" in host else "localhost" if host in _LOCAL else host
        yield f"http://{shown}:{number}/" + (f"?token={token}" if token else "")
    finally:
        end.set()
        server.should_exit = True
        thread.join()
        listening.close()


def _prepare(watch: Watch) -> None:
    """What takes seconds the first time, done before a browser asks for it."""
    library()
    with contextlib.suppress(ValueError, OSError):  # of a damaged file, say: the page will
        _ = watch.look().strongest


def _listen(host: str, port: int | None) -> socket.socket:
    asked = [port] if port is not None else range(PORT, PORT + _NEXT_PORTS)
    problem = None
    for number in asked:
        try:
            return _bound(host, number)
        except OSError as error:
            problem = error
    raise ValueError(
        f"cannot serve on {host}, port {' to '.join(map(str, dict.fromkeys((asked[0], asked[-1]))))}: "
        f"{problem.strerror if problem else ''}. Try another --port, or none: then a free one is chosen."
    )


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()
    except OSError:
        listening.close()
        raise
    return listening


def app(watch: Watch, *, port: int, token: str, end: threading.Event) -> "Starlette":
    """What answers requests; with a `token` only those that know it, without one only those to this machine.

    Event streams close once `end` is set.
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route

    def file(path: str) -> Callable[["Request"], Response]:
        def answer(request: "Request") -> Response:
            name = _FILES[path]
            return _tagged(request, packaged(name).encode(), _TYPES[pathlib.PurePath(name).suffix])

        return answer

    def vega(request: "Request") -> Response:
        return _tagged(request, library().encode(), "text/javascript")

    def data(answer: Answer) -> Callable[["Request"], Response]:
        def reply(request: "Request") -> Response:
            try:
                if len(request.url.query) > _LONGEST:
                    raise ValueError(f"a wish has at most {_LONGEST:,} letters")
                scene = watch.look()
                told = {**answer(scene, request), "store": watch.name}
            except (ValueError, OSError, RecursionError) as error:  # a wrong choice, a damaged file
                return _json({"error": str(error)}, 400)
            return _tagged(request, _encoded(told), "application/json")

        return reply

    async def events(request: "Request") -> Response:
        last = request.headers.get("last-event-id", "")
        return StreamingResponse(_events(watch, last, end), media_type="text/event-stream", headers=_HEADERS)

    answers: dict[str, Answer] = {
        "status": lambda scene, request: status(scene),
        "curves": lambda scene, request: curves(scene, _choice(request)),
        "diagram": _diagram,
        "runs": lambda scene, request: runs(scene, _choice(request)),
        "run": lambda scene, request: run(scene, request.query_params.get("id", "")),
        "inside": lambda scene, request: _inside(watch, request),
        "table": lambda scene, request: _table(watch, request),
        "landscape": _landscape,
        "verdicts": lambda scene, request: watch.outcomes.read() if watch.outcomes else {"outcomes": []},
    }
    return Starlette(
        routes=[
            *(Route(path, file(path)) for path in _FILES),
            Route("/vega.js", vega),
            *(Route(f"/api/{name}", data(answer)) for name, answer in answers.items()),
            Route("/events", events),
        ],
        middleware=[Middleware(_Guard, port=port, token=token)],
        exception_handlers={Exception: _broken},
    )


async def _events(watch: Watch, last: str, end: threading.Event) -> AsyncIterator[str]:
    """Says which version the store has, as an event whose id is the version, whenever it is another one.

    An event carries no rows: whoever hears of a version asks for what it shows and replaces it. So a reader
    that comes back, to this server or to the next one, can neither miss a row nor have it twice.
    """
    spoken = time.monotonic()
    yield "retry: 1000\n\n"
    while not end.is_set():
        version = await asyncio.to_thread(watch.version)
        if version != last:
            last, spoken = version, time.monotonic()
            yield f"id: {version}\nevent: version\ndata: {version}\n\n"
        elif time.monotonic() - spoken > _BEAT:
            spoken = time.monotonic()
            yield ": still here\n\n"
        await asyncio.sleep(_EVERY)


class _Guard:
    """Refuses requests by other names than this machine's (a foreign page may have its name point here),
    and those without the token where there is one."""

    def __init__(self, app: typing.Any, port: int, token: str):
        self._app = app
        self._token = token
        self._cookie = f"afterfit-{port}"  # cookies do not tell ports apart
        self._hosts = {f"{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]")}

    async def __call__(self, scope: typing.Any, receive: typing.Any, send: typing.Any) -> None:
        from starlette.requests import Request
        from starlette.responses import RedirectResponse

        if scope["type"] != "http":
            return
        request = Request(scope)
        given = request.query_params.get("token", "")
        if not self._token:
            allowed, why = request.headers.get("host", "") in self._hosts, "not a name of this machine"
        else:
            known = (given, request.cookies.get(self._cookie, ""))
            allowed = any(secrets.compare_digest(one.encode(), self._token.encode()) for one in known)
            why = "open the address that afterfit printed: it holds a token"
        if not allowed:
            response: Response = _json({"error": why}, 403)
        elif given and scope["path"] == "/":
            # From here on the cookie says it, so that the token does not stay in the address.
            response = RedirectResponse("/", headers=_HEADERS)
            response.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
        else:
            response = self._app
        await response(scope, receive, send)


def _broken(request: "Request", error: Exception) -> "Response":
    """What a reader sees of a mistake of ours."""
    del request
    return _json({"error": f"this should not have happened: {type(error).__name__}: {error}"}, 500)


def _choice(request: "Request") -> Choice:
    asked = request.query_params
    where = json.loads(asked.get("where") or "{}")
    if not isinstance(where, dict):
        raise ValueError(f"`where` must be a table of labels by axis, got {where!r}")
    return Choice(
        measure=asked.get("measure", "accuracy"),
        index=tuple(int(at) for at in asked.get("index", "").split(",") if at),
        where={str(name): str(text) for name, text in where.items()},
        colour=asked.get("colour"),
        panel=asked.get("panel", ""),
        linear=asked.get("linear") == "true",
    )


def _diagram(scene: Scene, request: "Request") -> dict[str, typing.Any]:
    asked = request.query_params
    statistic = asked.get("statistic", "generalised")
    return diagram(scene, asked.get("x", ""), asked.get("y", ""), statistic, _choice(request))


def _landscape(scene: Scene, request: "Request") -> dict[str, typing.Any]:
    asked = request.query_params
    measure = asked.get("measure", "loss")
    return landscape(scene, measure, asked.get("up", ""), _choice(request).where)


def _inside(watch: Watch, request: "Request") -> dict[str, typing.Any]:
    asked = request.query_params
    records = watch.records(asked.get("id", ""))
    return embedding(records, _step(request), asked.get("name", ""), asked.get("method", ""))


def _table(watch: Watch, request: "Request") -> dict[str, typing.Any]:
    asked = request.query_params
    return equation_table(watch.records(asked.get("id", "")), _step(request), asked.get("shown", "answers"))


def _step(request: "Request") -> int | None:
    """Of a snapshot; None for the last one."""
    step = request.query_params.get("step", "")
    return int(step) if step else None


def _tagged(request: "Request", body: bytes, kind: str) -> "Response":
    """The body, or word that the reader has it already."""
    from starlette.responses import Response

    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**_HEADERS, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=kind, headers=headers)


def _json(content: dict[str, typing.Any], code: int) -> "Response":
    from starlette.responses import Response

    return Response(_encoded(content), code, _HEADERS, "application/json")


def _encoded(content: dict[str, typing.Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
