"""Log in, by password or by a link that works once; log out; Normal and Expert mode; colours; the start page."""

from __future__ import annotations

from starlette.responses import Response

from tandem.cluster.guard import LoginError
from tandem.cluster.registry import Login
from tandem.config.access import READ_ONLY
from tandem.control.web.navigation import PUBLIC, Pages
from tandem.control.web.visit import MODE_COOKIE, THEME_COOKIE, Visit

PAGES = Pages()
_YEAR_S = 365 * 86400


def _address(visit: Visit) -> str:
    return visit.http.client.host if visit.http.client else "unknown"


def _within(path: str) -> str:
    """Return ``path`` if it leads to one of our own pages, else the start page."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else "/"


@PAGES.get("/login", role=PUBLIC)
async def login_page(visit: Visit) -> Response:
    """Show the log-in page."""
    if visit.browser is not None:
        return visit.go(_within(visit.query.get("next", "/")))
    return visit.page("login.html", title="Log In", link="", error="", name="", next=visit.query.get("next", "/"))


@PAGES.post("/login", role=PUBLIC)
async def log_in(visit: Visit) -> Response:
    """Begin a session by name and password."""
    name, back = visit.form["name"], _within(visit.form["next"])
    try:
        login = await visit.manager.guard.password(name, visit.form.raw("password"), _address(visit), begins=True)
    except LoginError as error:
        return visit.page("login.html", status=401, title="Log In", link="", error=_plain(error), name=name, next=back)
    return _enter(visit, login, back)


@PAGES.get("/login/link", role=PUBLIC)
async def link_page(visit: Visit) -> Response:
    """Show the page of a log-in link. The link is used up by its form only, not by programs that look at links."""
    secret = visit.query.get("secret", "")
    return visit.page("login.html", title="Log In", link=secret, error="", name="", next=visit.query.get("next", "/"))


@PAGES.post("/login/link", role=PUBLIC)
async def use_link(visit: Visit) -> Response:
    """Begin a session by a log-in link."""
    try:
        login = visit.manager.guard.use_link(visit.form["secret"], _address(visit))
    except LoginError as error:
        return visit.page("login.html", status=401, title="Log In", link="", error=_plain(error), name="", next="/")
    return _enter(visit, login, _within(visit.form["next"]))


def _enter(visit: Visit, login: Login, back: str) -> Response:
    secret, _ = visit.manager.guard.open_session(login)
    response = visit.go(back)
    response.set_cookie(visit.site.cookie, secret, secure=True, httponly=True, samesite="strict", path="/")
    return response


def _plain(error: LoginError) -> str:
    text = error.text.removeprefix("Login Failure: ")
    return text[:1].upper() + text[1:] + "."


@PAGES.post("/logout", role=PUBLIC)
async def log_out(visit: Visit) -> Response:
    """End the session."""
    visit.manager.guard.close_session(visit.http.cookies.get(visit.site.cookie, ""))
    response = visit.go("/login")
    response.delete_cookie(visit.site.cookie, secure=True, httponly=True, samesite="strict", path="/")
    return response


@PAGES.post("/mode", role=READ_ONLY)
async def mode(visit: Visit) -> Response:
    """Switch between Normal and Expert mode."""
    response = visit.go(_within(visit.form["back"]))
    response.set_cookie(
        MODE_COOKIE, "expert" if visit.form["mode"] == "expert" else "normal", httponly=True, samesite="strict"
    )
    return response


@PAGES.post("/theme", role=PUBLIC)
async def theme(visit: Visit) -> Response:
    """Choose light or dark colours, or those of the system."""
    response = visit.go(_within(visit.form["back"]))
    response.set_cookie(THEME_COOKIE, visit.form["theme"][:5], httponly=True, samesite="strict", max_age=_YEAR_S)
    return response


@PAGES.get("/")
async def start(visit: Visit) -> Response:
    """Lead to the first page."""
    return visit.go("/dhcp/server")
