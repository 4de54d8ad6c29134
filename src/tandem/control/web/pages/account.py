"""My Account: one's own roles, password and log-in link."""

from __future__ import annotations

from starlette.responses import Response

from tandem.base.errors import CommandError
from tandem.config.access import ROLES
from tandem.control.web.forms import sentence
from tandem.control.web.navigation import Entry, Pages
from tandem.control.web.visit import Visit

PAGES = Pages()
_HOME = "/administrators/me"


def _page(visit: Visit, errors: dict[str, str], status: int = 200) -> Response:
    roles = {role: ROLES.get(role, "") for role in visit.login.roles}
    return visit.page("account.html", status=status, title="My Account", roles=roles, errors=errors)


@PAGES.get(_HOME, entry=Entry("Administrators", "My Account"))
async def show(visit: Visit) -> Response:
    """Show who one is."""
    return _page(visit, {})


@PAGES.post(_HOME, command=("session", "enterPassword"))
async def enter_password(visit: Visit) -> Response:
    """Give oneself another password, which ends the session."""
    new = visit.form.raw("new")
    errors: dict[str, str] = {}
    if new != visit.form.raw("again"):
        errors["again"] = "The two passwords differ."
    if not new:
        errors["new"] = "Write a password."
    if not errors:
        try:
            await visit.run(("session", "enterPassword"), password=new)
            return visit.go("/login")
        except CommandError as refused:
            errors["new"] = sentence(refused.text)
    return _page(visit, errors, 400)
