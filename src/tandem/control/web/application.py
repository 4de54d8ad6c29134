"""The pages as an ASGI application beside the REST API: who asks, forged requests, errors, headers, static files.

Source: SYSTEM S7.4.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import pkgutil
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import jinja2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tandem.base.errors import CommandError
from tandem.cluster.guard import LoginError
from tandem.cluster.manager import Forbidden, Manager
from tandem.cluster.registry import Login
from tandem.control.web import pages as page_modules
from tandem.control.web.forms import plain
from tandem.control.web.navigation import BARS, PUBLIC, Link, Page
from tandem.control.web.visit import THEME_COOKIE, Form, Visit
from tandem.control.web.words import on_pages
from tandem.control.web.work import Works

_HERE = Path(__file__).parent
_STATIC = _HERE / "static"
_FORM_BYTES_MAX = 2_000_000
_FILE_BYTES_MAX = 32_000_000
"""Of who has logged in: a whole configuration may be in it."""
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def with_pages(api: ASGIApp, manager: Manager, cookie: str = "__Host-tandem") -> ASGIApp:
    """Return an application that answers /api with ``api`` and everything else with pages."""
    site = Site(manager, cookie)

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        to_api = scope["type"] != "http" or scope["path"] == "/api" or scope["path"].startswith("/api/")
        await (api if to_api else site.app)(scope, receive, send)

    return front


@functools.cache
def static(name: str) -> str:
    """Return the address of a static file, which changes with its content."""
    return f"/static/{name}?v={hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()[:12]}"


@functools.cache
def _templates() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {"plain": plain, "on_pages": on_pages}
    made.globals |= {"static": static, "bars": list(BARS)}
    return made


class Site:
    """All pages of a cluster."""

    def __init__(self, manager: Manager, cookie: str) -> None:
        self.manager = manager
        self.cookie = cookie
        self.works = Works()
        modules = [m.name for m in pkgutil.iter_modules(page_modules.__path__, page_modules.__name__ + ".")]
        declared = [importlib.import_module(name).PAGES for name in modules]
        self.pages: list[Page] = [page for pages in declared for page in pages.pages]
        self.links: list[Link] = [link for pages in declared for link in pages.links]
        routes = [Route(page.path, self._endpoint(page), methods=[page.method]) for page in self.pages]
        routes.append(Route("/static/{name:path}", self._file, methods=["GET"]))
        self.app = Starlette(routes=routes, exception_handlers={HTTPException: self._no_such_page, Exception: _broken})

    # --- requests -------------------------------------------------------------------------------------

    def _endpoint(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            visit = Visit(self, request, Login(""), None)
            try:
                self._identify(visit)
                if page.method == "POST":
                    most = _FORM_BYTES_MAX if visit.browser is None else _FILE_BYTES_MAX
                    visit.form = await _read_form(request, most)
                    self._refuse_forged(visit)
                if page.role != PUBLIC:
                    if visit.browser is None:
                        raise LoginError("Log in first.")
                    self.manager.permit(visit.login, page.role, page.effect)
            except CommandError as error:
                response = self._refusal(visit, error)
            else:
                made = self._made(page, visit)
                if page.work and visit.browser is not None and "HX-Request" not in request.headers:
                    again = _address(request) if page.method == "GET" else ""
                    response = await self.works.answer(page.work, again, visit.browser, made)
                else:
                    response = await made
            response.headers.setdefault("Cache-Control", "no-store")
            response.headers.update(_HEADERS)
            return response

        return endpoint

    async def _made(self, page: Page, visit: Visit) -> Response:
        try:
            return await page.handler(visit)
        except CommandError as error:
            return self._refusal(visit, error)

    def _refusal(self, visit: Visit, error: CommandError) -> Response:
        if isinstance(error, LoginError):
            return self._to_login(visit, error)
        return visit.page("error.html", status=error.http_status, title=_title(error), error=error)

    def _identify(self, visit: Visit) -> None:
        secret = visit.http.cookies.get(self.cookie)
        if secret:
            try:
                visit.login, visit.browser = self.manager.guard.session(secret)
            except LoginError:
                visit.browser = None  # a session that is over is a guest's

    def _refuse_forged(self, visit: Visit) -> None:
        """Refuse a form that was not made for this session. Raises Forbidden."""
        if visit.browser is None:
            origin = visit.http.headers.get("origin", "")
            if origin and urlsplit(origin).netloc != visit.http.headers.get("host", ""):
                raise Forbidden("this form was sent by another site")
            return
        sent = visit.http.headers.get("X-CSRF-Token") or visit.form["csrf"]
        if not secrets.compare_digest(sent.encode(), visit.browser.csrf.encode()):
            raise Forbidden("this form is of another log-in of yours; go back, load the page again, and repeat")

    def _to_login(self, visit: Visit, error: LoginError) -> Response:
        """Lead to the log-in page, and afterwards back to what was to be seen."""
        http = visit.http
        back = _address(http)
        where = f"/login?next={quote(back)}" if http.method == "GET" and back != "/" else "/login"
        if "HX-Request" in http.headers:
            return Response(str(error), 401, {"HX-Redirect": "/login"})
        return RedirectResponse(where, 303)

    async def _no_such_page(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        visit = Visit(self, request, Login(""), None)
        self._identify(visit)
        title = "There is no such page" if error.status_code == 404 else str(error.detail)
        response = visit.page("error.html", status=error.status_code, title=title, error=None)
        response.headers.update(_HEADERS)
        return response

    # --- what pages are made of -----------------------------------------------------------------------

    async def _file(self, request: Request) -> Response:
        path = (_STATIC / request.path_params["name"]).resolve()
        if not path.is_relative_to(_STATIC.resolve()) or not path.is_file():
            raise HTTPException(404)
        headers = {"Cache-Control": "max-age=31536000, immutable" if "v" in request.query_params else "no-cache"}
        return FileResponse(path, headers=headers | _HEADERS, media_type=_TYPES.get(path.suffix))

    def address(self, label: str) -> str:
        """Return the address of the entry with this label in the bars; "" when there is none."""
        return next((page.path for page in self.pages if page.entry and page.entry.label == label), "")

    def render(self, visit: Visit, template: str, context: dict[str, Any]) -> str:
        """Return the text of a page."""
        theme = visit.http.cookies.get(THEME_COOKIE, "auto")
        own: dict[str, Any] = {
            "visit": visit, "login": visit.login, "may": visit.may, "can": visit.can, "when": visit.when,
            "expert": visit.session.expert, "cluster": self.manager.name, "path": visit.http.url.path,
            "theme": theme if theme in ("light", "dark") else "auto", "bar": "", "title": "",
            "token": visit.browser.csrf if visit.browser else "", "fragment": "HX-Request" in visit.http.headers,
        }  # fmt: skip
        own |= self._navigation(visit)
        return _templates().get_template(template).render(own | context)

    def _navigation(self, visit: Visit) -> dict[str, Any]:
        """Return the bars with the entries that the operator may use, and where this page is."""
        allowed = [p for p in self.pages if p.entry is not None and visit.may(p.role)]
        allowed.sort(key=lambda page: page.entry.order if page.entry else (0, 0, ""))
        path = visit.http.url.path
        under = [p for p in allowed if path == p.path or path.startswith(p.path + "/")]
        here = max(under, key=lambda page: len(page.path), default=None)
        bar = here.entry.bar if here and here.entry else ""
        primary: dict[str, str] = {}
        for page in allowed:
            assert page.entry
            primary.setdefault(page.entry.bar, page.path)
        secondary = [(p.entry.label, p.path) for p in allowed if p.entry and p.entry.bar == bar]
        return {"primary": primary, "secondary": secondary, "here": here.path if here else "", "bar": bar}


def _address(http: Request) -> str:
    """Return what was asked for, as a link on this site."""
    return http.url.path + (f"?{http.url.query}" if http.url.query else "")


async def _read_form(request: Request, most: int) -> Form:
    """Return the fields that were sent, of ``most`` bytes. Raises CommandError 316."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/x-www-form-urlencoded":
        raise CommandError(316, "this address takes forms (application/x-www-form-urlencoded)")
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise CommandError(316, f"the form is larger than {most} bytes; send it in parts")
    try:
        return Form(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20_000))
    except ValueError:
        raise CommandError(316, "the form is no text in UTF-8, or has too many fields") from None


def _title(error: CommandError) -> str:
    if isinstance(error, Forbidden):
        return "You may not do that"
    return {404: "It does not exist", 503: "The DHCP server does not answer"}.get(error.http_status, "Not done")


async def _broken(request: Request, error: Exception) -> Response:
    """Answer when a page met a mistake in this program; the traceback goes to standard error."""
    text = f"Unexpected error ({type(error).__name__}); standard error of 'tandem local' tells where.\n"
    return Response(text, 500, _HEADERS, "text/plain")
