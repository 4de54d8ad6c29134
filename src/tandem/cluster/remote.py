"""Another cluster, over its REST API: one call, with time limits and errors that say what to do.

The only place that knows how clusters reach each other. Does not know what is asked.
Source: SYSTEM S7.3; failover chapter, "Creating and Synchronizing a Failover Pair on the Local Cluster".
"""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass
from typing import Any

import httpx2

from tandem.base.errors import CommandError
from tandem.cluster.certificates import fingerprint
from tandem.cluster.trust import COMPARE, Changed, Trust, Untrusted

_CONNECT_S, _ANSWER_S = 5.0, 90.0


class LoginRefused(CommandError):
    """The other cluster does not accept the name and password."""


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a cluster is, and as whom to log in there."""

    address: str
    port: int
    username: str
    password: str
    trust: Trust
    """How it proves to be that cluster."""
    cure: str
    """What to look at when it cannot be reached or refuses, e.g. the attributes that say all this."""
    accept: str
    """The command that accepts another certificate of it, but for the fingerprint."""

    def __str__(self) -> str:
        """Return what messages call it."""
        return f"the cluster at {self.address}:{self.port}"


async def call(
    remote: Remote, method: str, path: str, body: object = None, match: str | None = None, answer_s: float = _ANSWER_S
) -> Any:
    """Return the decoded answer of route ``path`` (below /api/v1) of another cluster.

    Raises CommandError: 501 when it cannot be reached, does not answer in time or refuses the log-in, 312 when it is
    of another version, and its own refusals with their status.
    """
    headers = {} if match is None else {"If-Match": match}
    limits = httpx2.Timeout(answer_s, connect=_CONNECT_S)
    auth = (remote.username, remote.password)
    url = f"https://{remote.address}:{remote.port}/api/v1{path}"
    try:
        secured = remote.trust.judging_context(f"{remote.address}:{remote.port}")
        async with httpx2.AsyncClient(auth=auth, timeout=limits, trust_env=False, verify=secured) as client:
            response = await client.request(method, url, json=body, headers=headers)
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        untrusted = _cause(error, Untrusted)
        if isinstance(untrusted, Changed):
            cure = f"{COMPARE}, and write '{remote.accept} {untrusted.shown}'"
            raise CommandError(501, f"{remote} is not trusted: {untrusted.what} {cure}") from None
        if untrusted is not None:
            raise CommandError(501, f"{remote} is not trusted: {untrusted}") from None
        why = str(error) or "no answer"
        raise CommandError(
            501, f"{remote} cannot be reached ({why}): is 'tandem local' running there, and is {remote.cure} right?"
        ) from None
    except httpx2.TimeoutException:
        raise CommandError(501, f"{remote} did not answer within {answer_s:g} s; {_UNKNOWN}") from None
    except httpx2.HTTPError as error:
        raise CommandError(501, f"the connection to {remote} was lost ({error}); {_UNKNOWN}") from None
    return _decoded(remote, response)


async def certificate(address: str, port: int) -> str:
    """Return the fingerprint of the certificate that is shown there, whoever that is. Raises CommandError 501."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(address, port, ssl=context)
    except (OSError, TimeoutError) as error:
        number = error.errno if isinstance(error, OSError) else None
        why = getattr(error, "reason", None) or (os.strerror(number) if number else "no answer")
        raise CommandError(
            501, f"no certificate can be had from {address}:{port} ({why}); is 'tandem local' running there?"
        ) from None
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return fingerprint(shown)


def _cause(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error


_UNKNOWN = "whether it was carried out is not known: a report shows it"


def _decoded(remote: Remote, response: httpx2.Response) -> Any:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if response.status_code < 300 and answer is not None:
        return answer
    if response.status_code == 401:
        raise LoginRefused(501, f"{remote} refused the log-in of {remote.username!r}: check {remote.cure}")
    known = isinstance(answer, dict) and isinstance(answer.get("status"), int)
    if not known or (response.status_code == 404 and answer["status"] != 302):  # 302: the route knows no such object
        raise CommandError(312, f"{remote} does not answer as this version does; run the same version on both")
    text = f"{remote}: {answer.get('text')}"
    if response.status_code == 403:
        text = f"{text} (that is, {remote.username!r} there)"
        raise CommandError(501, text)
    raise CommandError(answer["status"], text)
