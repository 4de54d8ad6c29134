"""The REST API of a cluster. Its routes derive from the registry of commands and from the declared classes.

    POST /api/v1/command                       one nrcmd line (how nrcmd works)
    GET  /api/v1/commands                      the grammar, for completion
    GET  /api/v1/{class}                       objects; GET, PUT, PATCH, DELETE /api/v1/{class}/{name}: one
    GET or POST /api/v1/{words of a command}   every other command; POST when it changes something

Every answer is JSON with ``status`` as nrcmd prints it; a refusal also has the HTTP status that fits. Schema at
/api/v1/openapi.json. Does not know what commands do.

No postponed annotations here: FastAPI reads those of functions that are made within functions.
"""

import asyncio
import contextlib
import hashlib
import inspect
import re
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta, timezone
from typing import Annotated, Any

import uvicorn
from argon2 import PasswordHasher
from fastapi import Body, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel, Field

from tandem.base.errors import CommandError
from tandem.cluster import objects
from tandem.cluster.answer import Answer, error_line
from tandem.cluster.database import check_password
from tandem.cluster.manager import Manager
from tandem.cluster.registry import NAME, REGISTRY, Command, Session
from tandem.cluster.registry import Request as CommandRequest
from tandem.config.schema import SECTIONS

PREFIX = "/api/v1"
_VERIFIED_S = 60.0
_VERIFIED_MAX = 256
_CHECKS_AT_ONCE = 2
"""Passwords verified at a time: each costs tens of milliseconds and megabytes on purpose."""


class LoginError(CommandError):
    """A request without a valid name and password."""

    def __init__(self) -> None:
        super().__init__(401, "Login Failure: wrong name or password")


class Authenticator:
    """Checks names and passwords; remembers for a minute those that were right."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._salt = secrets.token_bytes(16)
        self._verified: dict[bytes, tuple[str, float]] = {}
        """Salted hash of name and password -> (stored hash that it matched, until when)."""
        self._slots = asyncio.Semaphore(_CHECKS_AT_ONCE)
        self._nobody = PasswordHasher().hash(secrets.token_hex(16))
        """Checked for unknown names, so that they take as long as known ones."""

    async def check(self, name: str, password: str) -> None:
        """Return when the password is right. Raises LoginError."""
        stored = self._manager.database.password_hash(name)
        key = hashlib.sha256(self._salt + f"{len(name)}:{name}{password}".encode()).digest()
        now = time.monotonic()
        match, until = self._verified.get(key, ("", 0.0))
        if stored is not None and match == stored and now < until:
            return
        async with self._slots:
            right = await asyncio.to_thread(check_password, stored or self._nobody, password)
        if stored is None or not right:
            self._manager.log.note("Warning", "Security", 60020, f"Login of {name[:64]!r} failed.")
            raise LoginError
        if len(self._verified) >= _VERIFIED_MAX:
            self._verified.clear()
        self._verified[key] = (stored, now + _VERIFIED_S)


class CommandBody(BaseModel):
    """One command line."""

    line: str = Field(max_length=100_000, description="as typed at nrcmd's prompt")
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


class ErrorAnswer(BaseModel):
    """A refusal."""

    status: int = Field(description="the status that nrcmd prints")
    text: str = Field(description="what is wrong and what to do")


_ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": ErrorAnswer} for code in (400, 401, 403, 404, 409, 422, 500, 501, 503)
}


def create_app(manager: Manager) -> FastAPI:
    """Return the API of ``manager`` as an ASGI application."""
    app = FastAPI(
        title="Tandem local cluster",
        version="1",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=_ERRORS,
    )
    authenticator = Authenticator(manager)
    basic = HTTPBasic(auto_error=False)

    async def login(credentials: Annotated[HTTPBasicCredentials | None, Depends(basic)]) -> str:
        if credentials is None:
            raise LoginError
        await authenticator.check(credentials.username, credentials.password)
        return credentials.username

    app.add_exception_handler(CommandError, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(Exception, _broken)
    _add_command_routes(app, manager, login)
    for command in REGISTRY.commands:
        if command.route:
            _add_route(app, manager, login, command)
    for cls in SECTIONS.values():
        _add_object_routes(app, manager, login, cls.name, cls.singleton)
    return app


Login = Callable[..., Awaitable[str]]


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


async def _broken(request: Request, error: Exception) -> JSONResponse:
    """Answer when a command met a mistake in this program; the traceback goes to standard error."""
    text = f"Unexpected error ({type(error).__name__}); standard error of 'tandem local' tells where"
    return JSONResponse({"status": 300, "text": text, "lines": [f"300 {text}"]}, 500)


def _add_command_routes(app: FastAPI, manager: Manager, login: Login) -> None:
    @app.post(f"{PREFIX}/command", summary="Run one nrcmd line", tags=["command"])
    async def command(body: CommandBody, who: Annotated[str, Depends(login)]) -> CommandAnswer:
        session = Session(zone=timezone(timedelta(seconds=body.utc_offset_s)))
        for attribute, value in body.session.items():
            session.set(attribute, value)
        answer = await manager.execute(who, session, body.line)
        return CommandAnswer(
            status=answer.status, lines=answer.render(session.default_format), session=session.attributes()
        )

    @app.get(f"{PREFIX}/commands", summary="The grammar of all commands", tags=["command"])
    async def commands(who: Annotated[str, Depends(login)]) -> dict[str, Any]:
        return {
            "commands": [
                {"path": c.path, "usage": c.usage(), "help": c.help, "example": c.example, "write": c.write}
                for c in REGISTRY.commands
            ],
            "attributes": {cls.name: {a.name: a.help for a in cls.attributes} for cls in SECTIONS.values()},
        }


class _Endpoint:
    """A route's function, with the signature that FastAPI is to see."""

    def __init__(self, manager: Manager, command: Command, login: Login) -> None:
        self._manager = manager
        self._command = command
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters = [inspect.Parameter("who", kind, annotation=Annotated[str, Depends(login)])]
        if NAME in command.path:
            parameters.append(inspect.Parameter("name", kind, annotation=str))
        for argument in command.arguments:
            field = Body(description=argument.help, embed=True) if command.write else Field(description=argument.help)
            default = "" if argument.optional else inspect.Parameter.empty
            parameters.append(
                inspect.Parameter(python_name(argument.name), kind, annotation=Annotated[str, field], default=default)
            )
        self.__signature__ = inspect.Signature(parameters, return_annotation=RunAnswer)
        self.__name__ = "_".join(python_name(word) for word in command.path)

    async def __call__(self, **values: str) -> RunAnswer:
        request = CommandRequest(values.pop("who"), Session(), values.pop("name", ""))
        words = []
        for argument in self._command.arguments:
            text = values[python_name(argument.name)]
            if text:
                words += text.split() if argument.many else [text]
        self._command.fill(request, words)
        return _run_answer(await self._manager.run(self._command, request))


def python_name(name: str) -> str:
    """Return ``name`` with what a Python (and JSON) identifier cannot have replaced by underscores."""
    return re.sub(r"\W", "_", name)


def _run_answer(answer: Answer) -> RunAnswer:
    items = [ObjectAnswer(name=item.name, attributes=item.attributes) for item in answer.items]
    return RunAnswer(status=answer.status, text=answer.text, items=items, lines=answer.lines)


def _add_route(app: FastAPI, manager: Manager, login: Login, command: Command) -> None:
    path = "/".join("{name}" if word == NAME else word for word in command.path)
    app.add_api_route(
        f"{PREFIX}/{path}",
        _Endpoint(manager, command, login),
        methods=["POST" if command.write else "GET"],
        summary=command.help,
        description=f"As nrcmd's: {command.example}",
        tags=[command.path[0]],
    )


def _add_object_routes(app: FastAPI, manager: Manager, login: Login, cls: str, singleton: bool) -> None:
    base = f"{PREFIX}/{cls}"
    one = base if singleton else base + "/{name}"
    who_is = Depends(login)

    async def get(who: str = who_is, name: str = "") -> dict[str, Any]:
        return objects.stored(manager, cls, name)

    async def put(values: dict[str, Any], who: str = who_is, name: str = "") -> dict[str, Any]:
        return objects.replace(manager, who, cls, name, values)

    async def patch(values: dict[str, Any], who: str = who_is, name: str = "") -> dict[str, Any]:
        return objects.merge(manager, who, cls, name, values)

    async def delete(name: str, who: str = who_is) -> dict[str, Any]:
        objects.remove(manager, who, cls, name)
        return {"status": 100, "text": "Ok"}

    async def every(who: str = who_is) -> dict[str, Any]:
        return {name: objects.stored(manager, cls, name) for name in objects.names(manager, cls)}

    def route(path: str, method: str, function: Callable[..., Any], summary: str) -> None:
        ident = f"{method.lower()}_{python_name(cls)}" + ("_all" if function is every else "")
        app.add_api_route(
            path, function, methods=[method], summary=summary, tags=[cls], operation_id=ident, response_model=None
        )

    route(one, "GET", get, f"The {cls}'s attributes that are set")
    route(one, "PATCH", patch, "Set the attributes given, unset those given as null")
    if singleton:
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
    """Serves the API of a manager on a listening socket."""

    def __init__(self, manager: Manager, listener: socket.socket) -> None:
        self._listener = listener
        config = uvicorn.Config(
            create_app(manager), log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=3
        )
        self._server = _Uvicorn(config)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to serve."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]))

    async def stop(self) -> None:
        """Finish the requests under way, for at most 3 s, and close."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
