"""The routes by which clusters synchronize a failover pair's configuration with each other.

Operators use the commands of ``failover-pair``; these are what those call on the partner's cluster. Secrets come in
with an order, and none goes out.

No postponed annotations here: FastAPI reads those of functions that are made within functions.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, Header
from pydantic import BaseModel, Field

from tandem.base.errors import CommandError
from tandem.cluster.manager import Manager
from tandem.cluster.progress import Progress, following
from tandem.cluster.registry import Login
from tandem.cluster.synchronize import FORMAT, Order, carry_out, fingerprints
from tandem.config.access import DHCP_ADMIN, READ_ONLY
from tandem.config.pairs import Pair
from tandem.config.sync import without_secrets
from tandem.config.synctables import DRIFT, OPERATIONS

_PATH = "/api/v1/synchronization"


class PairBody(BaseModel):
    """Which pair, and which version of these routes."""

    format: int = Field(description=f"must be {FORMAT}")
    main: str = Field(max_length=15)
    backup: str = Field(max_length=15)


class CompareBody(PairBody):
    """One server's fingerprints."""

    fingerprints: dict[str, str]


class OrderBody(PairBody):
    """What is to be done with this cluster's configuration."""

    operation: str = Field(description=", ".join((*OPERATIONS, DRIFT)))
    document: dict[str, Any] = Field(description="the other server's configuration")
    reload: bool = False
    work: str = Field(default="", max_length=40, description="a name under which its progress can be asked for")
    why: str = Field(default="", max_length=1000)


class Report(BaseModel):
    """What a run changed, or would change."""

    main: str
    backup: str
    operation: str
    ran: bool
    version: str
    entries: list[dict[str, str | None]]
    left_off: int
    skipped: list[dict[str, str]]
    errors: list[str]
    warnings: list[str]
    change_set: int | None
    reload: dict[str, Any] | None


class Doing(BaseModel):
    """What is being done now, and of how many it is done for how many; 0 of 0 where that cannot be counted."""

    what: str
    done: int
    total: int


class Differ(BaseModel):
    """Kinds of data whose fingerprints differ."""

    differ: list[str]


class Configuration(BaseModel):
    """This cluster's configuration as far as it is synchronized, without secrets."""

    document: dict[str, Any]
    withheld: list[list[str]]


def add_synchronization_routes(
    app: FastAPI, manager: Manager, needs: Callable[[str, str], Any], declared: Callable[[str, str], dict[str, Any]]
) -> None:
    """Add the routes; ``needs`` makes the check of a role and effect, ``declared`` what the schema says of them."""
    Match = Annotated[str | None, Header(description="the version of the report that is to be run")]
    reader, editor = needs(READ_ONLY, "none"), needs(DHCP_ADMIN, "configuration")

    async def configuration(format: int, who: Login = reader) -> Configuration:
        _same(format)
        document, withheld = without_secrets(manager.database.document)
        return Configuration(document=document, withheld=[list(one) for one in withheld])

    async def compare(body: CompareBody, who: Login = reader) -> Differ:
        own = await asyncio.to_thread(fingerprints, manager.database.document, _pair(body))
        kinds = dict.fromkeys([*own, *body.fingerprints])
        return Differ(differ=[kind for kind in kinds if own.get(kind) != body.fingerprints.get(kind)])

    under_way: dict[str, Progress] = {}

    async def followed(who: Login, order: Order, work: str) -> Report:
        if not work or work in under_way:
            return Report(**await carry_out(manager, who, order))
        under_way[work] = Progress()
        try:
            with following(under_way[work]):
                return Report(**await carry_out(manager, who, order))
        finally:
            del under_way[work]

    async def report(body: OrderBody, who: Login = reader) -> Report:
        return await followed(who, _order(body), body.work)

    async def run(body: OrderBody, who: Login = editor, if_match: Match = None) -> Report:
        return await followed(who, _order(body, True, if_match), body.work)

    async def progress(work: str, who: Login = reader) -> Doing:
        steps = under_way[work].steps if work in under_way else []
        if not steps:
            raise CommandError(302, f"no work {work!r} is under way")
        return Doing(what=steps[-1].what, done=steps[-1].done, total=steps[-1].total)

    def route(path: str, method: str, function: Callable[..., Any], summary: str, writes: bool = False) -> None:
        role, effect = (DHCP_ADMIN, "configuration") if writes else (READ_ONLY, "none")
        app.add_api_route(
            _PATH + path, function, methods=[method], summary=summary, tags=["synchronization"],
            operation_id=f"synchronization_{function.__name__}", openapi_extra=declared(role, effect),
        )  # fmt: skip

    route("/configuration", "GET", configuration, "What is synchronized, without secrets")
    route("/compare", "POST", compare, "Which kinds of data differ from the other server's")
    route("/report", "POST", report, "What a synchronization would change here")
    route("/progress", "GET", progress, "What a report or run that is under way is doing")
    route("/run", "POST", run, "Change all of it here, or nothing", writes=True)


def _same(format: int) -> None:
    if format != FORMAT:
        raise CommandError(
            312, f"synchronization of format {format} is asked for, this version has {FORMAT}; "
            "run the same version on both servers",
        )  # fmt: skip


def _pair(body: PairBody) -> Pair:
    _same(body.format)
    return Pair(body.main, body.backup)


def _order(body: OrderBody, run: bool = False, match: str | None = None) -> Order:
    if body.operation not in (*OPERATIONS, DRIFT) or (run and body.operation == DRIFT):
        raise CommandError(316, f"operation: {body.operation!r} is not one of {', '.join(OPERATIONS)}")
    return Order(_pair(body), body.operation, body.document, (), run, match, body.reload, body.why)
