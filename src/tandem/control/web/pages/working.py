"""How far long work is: its steps, the one under way with a count, until its outcome can be shown.

With scripts the steps are asked for each second and the outcome follows by itself; without, the page loads anew.
"""

from __future__ import annotations

from starlette.responses import Response

from tandem.control.web.navigation import Pages
from tandem.control.web.visit import Visit
from tandem.control.web.work import HOME, Work

PAGES = Pages()


def _of(visit: Visit) -> Work:
    return visit.site.works.find(visit.query.get("work", ""), visit.browser)


def _result(visit: Visit) -> str:
    return f"{HOME}/result?work={visit.query['work']}"


@PAGES.get(HOME)
async def show(visit: Visit) -> Response:
    """Show how far it is."""
    work = _of(visit)
    if work.answer.done():
        return visit.go(_result(visit))
    return visit.page("working.html", title=work.what, work=work, query=visit.http.url.query)


@PAGES.get(f"{HOME}/part")
async def part(visit: Visit) -> Response:
    """Show how far it is now, or lead to the outcome."""
    work = _of(visit)
    if work.answer.done():
        return Response(headers={"HX-Redirect": _result(visit)})
    return visit.page("working_part.html", work=work, query=visit.http.url.query)


@PAGES.get(f"{HOME}/result")
async def result(visit: Visit) -> Response:
    """Show the outcome; asked for once more, of a page that only shows something, make that page anew."""
    work = _of(visit)
    if not work.answer.done():
        return visit.go(f"{HOME}?{visit.http.url.query}")
    if work.shown and work.address:
        return visit.go(work.address)
    work.shown = True
    return work.answer.result()
