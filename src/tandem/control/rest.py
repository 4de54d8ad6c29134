"""The REST API of a cluster. Its routes derive from the registry of commands and from the declared classes.

    POST, GET, DELETE /api/v1/session          log in with a browser, who am I, log out
    POST /api/v1/command                       one nrcmd line (how nrcmd works)
    GET  /api/v1/commands                      the grammar, for completion
    GET  /api/v1/{class}                       objects, filtered (?filter=) and by pages (?limit=, Link: next)
    GET, PUT, PATCH, DELETE /api/v1/{class}/{name}      one of them
    GET or POST /api/v1/{words of a command}   every other command; POST when it changes something

Who asks is told by name and password (Basic), by a token (Bearer), or by a browser's session: a cookie, and for what
changes anything also the session's token against forged requests (X-CSRF-Token). An object that exists is changed only
by one who says which version of it they saw (If-Match with its ETag, or *).

Every answer is JSON with ``status`` as nrcmd prints it; a refusal also has the HTTP status that fits. Schema at
/api/v1/openapi.json. Does not know what commands do.

No postponed annotations here: FastAPI reads those of functions that are made within functions.
"""

import asyncio
import contextlib
import inspect
import keyword
import re
import secrets
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta, timezone
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

import uvicorn
from fastapi import Body, Depends, FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBasic, HTTPBasicCredentials, HTTPBearer
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from tandem.base.errors import CommandError
from tandem.cluster import objects, stored
from tandem.cluster.answer import Answer, error_line
from tandem.cluster.certificates import TlsFiles
from tandem.cluster.guard import LoginError
from tandem.cluster.manager import Forbidden, Manager
from tandem.cluster.registry import EFFECTS, NAME, REGISTRY, Command, Login, Session
from tandem.cluster.registry import Request as CommandRequest
from tandem.config.access import READ_ONLY
from tandem.config.attribute import ObjectClass
from tandem.config.definitions import standard_names
from tandem.config.schema import CLASSES
from tandem.config.types import Bool, Enum, Flags, Reference, ValueType
from tandem.control.sync_routes import add_synchronization_routes
from tandem.control.web.application import with_pages

PREFIX = "/api/v1"
CSRF_HEADER = "X-CSRF-Token"
LIST_MAX = 10_000
"""Objects on a page of a list at most, where pages are asked for."""
LOOK_S = 60.0
"""How often it is looked whether the certificate was renewed."""
_SAFE = ("GET", "HEAD", "OPTIONS")


class CommandBody(BaseModel):
    """One command line."""

    line: str = Field(max_length=100_000, description="as typed at nrcmd's prompt")
    file: str = Field(default="", max_length=1 << 28, description="what the file holds that the line names (file=)")
    session: dict[str, str] = Field(default={}, description="default-format and visibility, as last answered")
    utc_offset_s: int = Field(default=0, ge=-86399, le=86399, description="the operator's time zone, for dates")


class CommandAnswer(BaseModel):
    """What a command printed."""

    status: int
    lines: list[str] = Field(description="output, status line first")
    session: dict[str, str] = Field(description="the session's attributes after the command")


class ObjectAnswer(BaseModel):
    """An object, or several."""

    name: str
    attributes: dict[str, str]


class RunAnswer(BaseModel):
    """What a command other than the objects' came to."""

    status: int
    text: str
    items: list[ObjectAnswer]
    lines: list[str]
    data: dict[str, Any] = Field(default={}, description="what there is to tell beyond text, where there is such")


class Done(BaseModel):
    """It was done, and there is nothing to show."""

    status: int = 100
    text: str = "Ok"


class ErrorAnswer(BaseModel):
    """A refusal."""

    status: int = Field(description="the status that nrcmd prints")
    text: str = Field(description="what is wrong and what to do")
    lines: list[str] = Field(description="the same as nrcmd prints it")


_ERROR: dict[str, Any] = {"application/json": {"schema": {"$ref": f"#/components/schemas/{ErrorAnswer.__name__}"}}}
_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer},
    **{
        code: {"description": HTTPStatus(code).phrase, "content": _ERROR}
        for code in (401, 403, 404, 409, 412, 422, 428, 500, 503)
    },
}
"""The refusals of every route. One names the model, which makes the schema's component; the others refer to it, as a
model each for ten of two hundred routes takes seconds to make."""


def create_app(manager: Manager, cookie: str = "__Host-tandem") -> FastAPI:
    """Return the API of ``manager`` as an ASGI application; ``cookie`` names its browsers' sessions."""
    app = FastAPI(
        title="Tandem local cluster",
        version="1",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=_ERRORS,
    )
    door = Door(manager, cookie)
    app.add_exception_handler(CommandError, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _no_such_thing)
    app.add_exception_handler(Exception, _broken)
    _add_session_routes(app, manager, door)
    _add_command_routes(app, manager, door)
    for command in REGISTRY.commands:
        if command.own_route:
            _add_route(app, manager, door, command)
    for cls in CLASSES.values():
        _add_object_routes(app, manager, door, cls)
    add_synchronization_routes(app, manager, door.needs, declared)
    return app


class Door:
    """Finds out who asks, and lets in those who have the role that a route needs."""

    def __init__(self, manager: Manager, cookie: str) -> None:
        self._manager = manager
        self.cookie = cookie
        self._basic = HTTPBasic(auto_error=False, description="name and password of an administrator")
        self._bearer = HTTPBearer(auto_error=False, description="a token made with 'token NAME create'")
        self._cookie = APIKeyCookie(name=cookie, auto_error=False, description=f"a browser's, with {CSRF_HEADER}")

    def needs(self, role: str | None, effect: str = "none") -> Any:
        """Return the dependency of a route that needs ``role`` (None: any administrator) and has ``effect``."""

        async def login(
            request: Request,
            basic: Annotated[HTTPBasicCredentials | None, Depends(self._basic)],
            bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(self._bearer)],
            session: Annotated[str | None, Depends(self._cookie)],
        ) -> Login:
            found = await self._who(request, basic, bearer, session)
            if role is not None:
                self._manager.permit(found, role, effect)
            return found

        return Depends(login)

    async def _who(
        self,
        request: Request,
        basic: HTTPBasicCredentials | None,
        bearer: HTTPAuthorizationCredentials | None,
        session: str | None,
    ) -> Login:
        guard = self._manager.guard
        if basic is not None:
            return await guard.password(basic.username, basic.password, address_of(request))
        if bearer is not None:
            return guard.token(bearer.credentials, address_of(request))
        if session is None:
            raise LoginError("Login Failure: say who you are: name and password, or a token")
        login, open_session = guard.session(session)
        if request.method not in _SAFE and not secrets.compare_digest(
            request.headers.get(CSRF_HEADER, "").encode(), open_session.csrf.encode()
        ):
            raise Forbidden(f"header {CSRF_HEADER} is not this session's; GET {PREFIX}/session tells it")
        return login


def address_of(request: Request) -> str:
    """Return the address that a request comes from."""
    return request.client.host if request.client else "unknown"


def declared(role: str, effect: str) -> dict[str, Any]:
    """Return what the schema says about who may use a route and what it does."""
    return {"x-role": role, "x-effect": effect}


class LoginBody(BaseModel):
    """Who wants to log in."""

    name: str = Field(max_length=255)
    password: str = Field(max_length=255, json_schema_extra={"format": "password"})


class SessionAnswer(BaseModel):
    """A browser's session."""

    name: str
    roles: list[str]
    csrf: str = Field(description=f"to be sent as {CSRF_HEADER} with everything that changes anything")


def _add_session_routes(app: FastAPI, manager: Manager, door: Door) -> None:
    guard = manager.guard

    @app.post(f"{PREFIX}/session", summary="Log in with a browser", tags=["session"])
    async def begin(body: LoginBody, request: Request, response: Response) -> SessionAnswer:
        login = await guard.password(body.name, body.password, address_of(request), begins=True)
        secret, session = guard.open_session(login)
        response.set_cookie(door.cookie, secret, secure=True, httponly=True, samesite="strict", path="/")
        return SessionAnswer(name=login.name, roles=list(login.roles), csrf=session.csrf)

    @app.get(f"{PREFIX}/session", summary="Who this session is", tags=["session"])
    async def who(request: Request) -> SessionAnswer:
        login, session = guard.session(request.cookies.get(door.cookie, ""))
        return SessionAnswer(name=login.name, roles=list(login.roles), csrf=session.csrf)

    @app.delete(f"{PREFIX}/session", summary="Log out", tags=["session"])
    async def end(request: Request, response: Response, who: Annotated[Login, door.needs(None)]) -> Done:
        guard.close_session(request.cookies.get(door.cookie, ""))
        response.delete_cookie(door.cookie, secure=True, httponly=True, samesite="strict", path="/")
        return Done()


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CommandError)
    headers = {"WWW-Authenticate": "Basic"} if error.status == 401 else None
    body = {"status": error.status, "text": error.text, "lines": error_line(error).split("\n")}
    return JSONResponse(body, error.http_status, headers)


async def _malformed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    text = f"{where}: {first['msg']}; see {PREFIX}/openapi.json"
    return JSONResponse({"status": 316, "text": text, "lines": [f"316 Invalid - {text}"]}, 422)


async def _no_such_thing(request: Request, error: Exception) -> JSONResponse:
    """Answer what no route takes: an unknown path or method, a body that is no text."""
    assert isinstance(error, HTTPException)
    text = f"{request.method} {request.url.path[:200]}: {error.detail}; see {PREFIX}/openapi.json"
    body = {"status": 316, "text": text, "lines": [f"316 Invalid - {text}"]}
    return JSONResponse(body, error.status_code, dict(error.headers or {}))


async def _broken(request: Request, error: Exception) -> JSONResponse:
    """Answer when a command met a mistake in this program; the traceback goes to standard error."""
    text = f"Unexpected error ({type(error).__name__}); standard error of 'tandem local' tells where"
    return JSONResponse({"status": 300, "text": text, "lines": [f"300 {text}"]}, 500)


def _add_command_routes(app: FastAPI, manager: Manager, door: Door) -> None:
    @app.post(
        f"{PREFIX}/command", summary="Run one nrcmd line", tags=["command"],
        description="Needs the role of the command in the line.", openapi_extra=declared(READ_ONLY, "none"),
    )  # fmt: skip
    async def command(body: CommandBody, who: Annotated[Login, door.needs(READ_ONLY)]) -> CommandAnswer:
        session = Session(zone=timezone(timedelta(seconds=body.utc_offset_s)))
        for attribute, value in body.session.items():
            session.set(attribute, value)
        answer = await manager.execute(who, session, body.line, body.file)
        return CommandAnswer(
            status=answer.status, lines=answer.render(session.default_format), session=session.attributes()
        )

    @app.get(
        f"{PREFIX}/commands", summary="The grammar of all commands", tags=["command"],
        openapi_extra=declared(READ_ONLY, "none"),
    )  # fmt: skip
    async def commands(who: Annotated[Login, door.needs(READ_ONLY)]) -> dict[str, Any]:
        return {
            "commands": [
                {
                    "path": c.path, "usage": c.usage(), "help": c.help, "example": c.example, "role": c.role,
                    "effect": c.effect,
                    "arguments": [
                        {"name": a.name, "kind": a.kind, "optional": a.optional, "many": a.many,
                         "choices": a.choices, "names": a.names}
                        for a in c.arguments
                    ],
                }
                for c in REGISTRY.commands
            ],
            "secrets": sorted({name for cls in CLASSES.values() for name in objects.secrets_of(cls)}),
            "attributes": {cls.name: {a.name: a.help for a in cls.attributes} for cls in CLASSES.values()},
            "values": {cls.name: {a.name: words_of(a.type) for a in cls.attributes} for cls in CLASSES.values()},
            "references": {
                cls.name: {a.name: a.type.cls for a in cls.attributes if isinstance(a.type, Reference)}
                for cls in CLASSES.values()
            },
            "options": standard_names(),
        }


def words_of(kind: ValueType) -> list[str]:
    """Return the words that a value of a type can be, or be made of; none where it can be anything."""
    if isinstance(kind, Bool):
        return ["on", "off"]
    return list(kind.names) if isinstance(kind, Enum | Flags) else []


class _Endpoint:
    """A route's function, with the signature that FastAPI is to see."""

    def __init__(self, manager: Manager, command: Command, door: Door) -> None:
        self._manager = manager
        self._command = command
        kind = inspect.Parameter.KEYWORD_ONLY
        who = Annotated[Login, door.needs(command.role, command.effect)]
        parameters = [inspect.Parameter("who", kind, annotation=who)]
        if NAME in command.path:
            parameters.append(inspect.Parameter("name", kind, annotation=str))
        for argument in command.arguments:
            more: dict[str, Any] = {"description": argument.help, "json_schema_extra": {"x-kind": argument.kind}}
            if keyword.iskeyword(argument.name):
                more["alias"] = argument.name
            field = Body(embed=True, **more) if command.write else Query(**more)
            default = "" if argument.optional else inspect.Parameter.empty
            parameters.append(
                inspect.Parameter(python_name(argument.name), kind, annotation=Annotated[str, field], default=default)
            )
        self.__signature__ = inspect.Signature(parameters, return_annotation=RunAnswer)
        self.__name__ = "_".join(python_name(word) for word in command.path)

    async def __call__(self, *, who: Login, name: str = "", **values: str) -> RunAnswer:
        request = CommandRequest(who, Session(), name)
        words = []
        for argument in self._command.arguments:
            text = values[python_name(argument.name)]
            if text and argument.many:
                words += text.split()
            elif text:
                words.append(f"{argument.name}={text}" if argument.optional else text)
        self._command.fill(request, words)
        return _run_answer(await self._command.run(self._manager, request))


def python_name(name: str) -> str:
    """Return ``name`` with what a Python (and JSON) identifier cannot have replaced by underscores.

    A keyword gets one at its end, and keeps its name outside.
    """
    plain = re.sub(r"\W", "_", name)
    return plain + "_" if keyword.iskeyword(plain) else plain


def _run_answer(answer: Answer) -> RunAnswer:
    items = [ObjectAnswer(name=item.name, attributes=item.attributes) for item in answer.items]
    return RunAnswer(status=answer.status, text=answer.text, items=items, lines=answer.lines, data=answer.data)


def _add_route(app: FastAPI, manager: Manager, door: Door, command: Command) -> None:
    assert command.own_route
    method, path = command.own_route
    app.add_api_route(
        PREFIX + path,
        _Endpoint(manager, command, door),
        methods=[method],
        summary=command.help,
        description=f"As nrcmd's: {command.example}. Needs role {command.role}; {EFFECTS[command.effect]}.",
        tags=[command.path[0]],
        openapi_extra=declared(command.role, command.effect),
    )


def _add_object_routes(app: FastAPI, manager: Manager, door: Door, cls: ObjectClass) -> None:
    base = f"{PREFIX}/{cls.name}"
    one = base if cls.singleton else base + "/{name}"
    effect = objects.effect_of(cls)
    reader = door.needs(objects.read_role(cls))
    editor = door.needs(objects.edit_role(cls), effect)
    Match = Annotated[str | None, Header(description="the ETag of the version that is to be changed, or *")]
    conditions = "which to show, as nrcmd's list: policy=default & name=lab*; | or, ! not, != unlike"
    Wanted = Annotated[str, Query(max_length=4000, description=conditions)]
    After = Annotated[str, Query(max_length=255, description="show those behind this name: a next page")]
    pages = "objects on a page; left out: all. Where there are more, header Link has the address of the next page"
    Limit = Annotated[int | None, Query(ge=1, le=LIST_MAX, description=pages)]

    def tagged(response: Response, name: str, content: dict[str, Any]) -> dict[str, Any]:
        response.headers["ETag"] = stored.version(manager, cls.name, name)
        return content

    async def get(response: Response, who: Login = reader, name: str = "") -> dict[str, Any]:
        return tagged(response, name, stored.read(manager, cls.name, name))

    async def put(
        values: dict[str, Any], response: Response, who: Login = editor, name: str = "", if_match: Match = None
    ) -> dict[str, Any]:
        return tagged(response, name, stored.replace(manager, who, cls.name, name, values, if_match))

    async def patch(
        values: dict[str, Any], response: Response, who: Login = editor, name: str = "", if_match: Match = None
    ) -> dict[str, Any]:
        return tagged(response, name, stored.merge(manager, who, cls.name, name, values, if_match))

    async def delete(name: str, who: Login = editor, if_match: Match = None) -> Done:
        stored.remove(manager, who, cls.name, name, if_match)
        return Done()

    async def every(
        response: Response, who: Login = reader, filter: Wanted = "", after: After = "", limit: Limit = None
    ) -> dict[str, Any]:
        found, last = stored.page(manager, cls.name, filter, after, limit)
        if last:
            query = urlencode({"filter": filter, "after": last, "limit": limit})
            response.headers["Link"] = f'<{base}?{query}>; rel="next"'
        return found

    def route(path: str, method: str, function: Callable[..., Any], summary: str) -> None:
        ident = f"{method.lower()}_{python_name(cls.name)}" + ("_all" if function is every else "")
        writes = method != "GET"
        role = objects.edit_role(cls) if writes else objects.read_role(cls)
        app.add_api_route(
            path, function, methods=[method], summary=summary, tags=[cls.name], operation_id=ident,
            response_model=Done if function is delete else dict[str, Any],
            openapi_extra=declared(role, effect if writes else "none"),
        )  # fmt: skip

    route(one, "GET", get, f"The {cls.name}'s attributes that are set")
    route(one, "PATCH", patch, "Set the attributes given, unset those given as null")
    if cls.singleton:
        return
    route(one, "PUT", put, "Create it, or replace it by exactly this")
    route(one, "DELETE", delete, "Delete it")
    route(base, "GET", every, "All of them, by name")


class _Uvicorn(uvicorn.Server):
    """A server that leaves signals to the program."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ApiServer:
    """Serves the API of a manager on a listening socket, over TLS where it is given the files for it."""

    def __init__(self, manager: Manager, listener: socket.socket, tls: TlsFiles | None) -> None:
        self._listener = listener
        self._tls = tls
        config = uvicorn.Config(
            with_pages(create_app(manager), manager),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=3,
            ssl_certfile=None if tls is None else tls.certificate,
            ssl_keyfile=None if tls is None else tls.key,
        )
        self._server = _Uvicorn(config)
        self._task: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to serve."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        if self._tls is not None:
            self._watching = asyncio.create_task(self._follow(self._tls))

    async def _follow(self, tls: TlsFiles) -> None:
        """Show to new connections what the files hold when they have changed: certificates are renewed."""
        shown = tls.stamp()
        while True:
            await asyncio.sleep(LOOK_S)
            stamp, context = tls.stamp(), self._server.config.ssl
            if stamp and stamp != shown and context is not None and tls.load(context) is None:
                shown = stamp

    async def stop(self) -> None:
        """Finish the requests under way, for at most 3 s, and close."""
        self._server.should_exit = True
        if self._watching is not None:
            self._watching.cancel()
        if self._task is not None:
            await self._task
