"""The web UI of a local cluster: pages on the same port as the REST API, rendered here, with no build step.

Does not know what commands do: a page reads and changes everything through the registry of commands and the declared
classes of objects (``Visit.run``, ``Visit.stored``, ``Visit.save``), so nothing can be done here that nrcmd could not
do, and roles and the change log are the same.

**How to add pages.** Put a module into ``control/web/pages``; it is found by itself. It has ``PAGES = Pages()`` and
declares its pages and their entry in the navigation bars::

    PAGES = Pages()

    @PAGES.get("/dhcp/related-servers", entry=Entry("DHCP", "Related Servers"))
    async def related(visit: Visit) -> Response:
        answer = await visit.run(("dhcp", "getRelatedServers"))
        return visit.page("related.html", title="Related Servers", servers=answer.items)

    @PAGES.post("/dhcp/related-servers/partner-down", command=("dhcp", "setPartnerDown"))
    async def partner_down(visit: Visit) -> Response:
        await visit.run(("dhcp", "setPartnerDown"), partner=visit.form["partner"], date=visit.form["date"])
        visit.notice("ok", "The partner was declared down.")
        return visit.go("/dhcp/related-servers")

``role`` says who may use a page (default: read-only), or ``command`` names the command whose role and effect count;
who lacks it is refused, and the entry is not shown. POST is checked against forged requests before the function runs:
every form has ``{{ csrf() }}`` in it. A function returns any Starlette response (a StreamingResponse for server-sent
events). CommandError that a function lets pass becomes a page that tells it; a form that can show the error beside its
field catches it.

What may take long is given a name with ``work="Reload of the DHCP Server"``: beyond a moment the browser is shown the
steps that ``cluster.progress.tell`` is told of meanwhile (``control.web.work``).

``PAGES.link("scope", "Leases", "/dhcp/leases?scope=")`` puts a link on the edit page of every scope, and the scope's
name behind it.

**Templates** extend ``base.html`` (blocks ``content`` and, for scripts and styles of one page, ``head``) and import
macros from ``ui.html``: ``table`` with ``Listing`` (search, sort, pages, all at the server), ``badge``, ``button``,
``field``. ``may(role)`` and ``can("dhcp", "reload")`` tell which buttons to show, ``expert`` whether the operator asked
for Expert mode, ``when(seconds)`` prints a moment in the operator's time zone, ``static("name")`` is the address of a
file in ``static/``. htmx is loaded on every page, with its extension for server-sent events
(``<div hx-sse:connect="/..." hx-swap="innerMorph">``; ``static/vendor`` also has uPlot).

**Security policy of pages**: scripts and styles come from files in ``static/`` only. No ``<script>`` with text, no
``style=""`` and no ``on...=""`` attributes, no ``hx-on``: the browser refuses them. For a bar use ``<meter>`` or SVG.
"""

from tandem.control.web.application import with_pages
from tandem.control.web.listing import Column, Listing
from tandem.control.web.navigation import Entry, Pages
from tandem.control.web.visit import Visit

__all__ = ["Column", "Entry", "Listing", "Pages", "Visit", "with_pages"]
