"""What a reload would change in the running DHCP server: each object and attribute, as it runs and as it would be.

Source: SYSTEM S2.2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from tandem.cluster.answer import Answer, Item
from tandem.cluster.database import HIDDEN, differences
from tandem.cluster.manager import Manager
from tandem.cluster.objects import secrets_of, table
from tandem.cluster.progress import each, tell
from tandem.cluster.registry import REGISTRY, Command, Request
from tandem.config.access import READ_ONLY
from tandem.config.attribute import ObjectClass
from tandem.config.document import Document
from tandem.config.schema import SERVED

_ALL = "(all of it)"


def changes(
    running: Document, edited: Document, classes: Mapping[str, ObjectClass] = SERVED
) -> Iterator[tuple[str, str, str, str]]:
    """Yield (object, attribute, as it runs, as it would be) of each difference; the texts are JSON, - is not set."""
    for cls in classes.values():
        secrets = secrets_of(cls)
        before, after = running.get(cls.name, {}), edited.get(cls.name, {})
        pairs: list[tuple[str, Any, Any]] = (
            [("", before, after)]
            if cls.singleton
            else [(name, before.get(name), after.get(name)) for name in sorted({**before, **after})]
        )
        for name, old, new in each(f"looking for changes in objects of class {cls.name}", pairs):
            for attribute, was, will in differences(old, new):
                texts = [(text and (HIDDEN if attribute in secrets else text)) or "-" for text in (was, will)]
                yield cls.label(name), attribute or _ALL, texts[0], texts[1]


async def _preview(manager: Manager, request: Request) -> Answer:
    edited, _ = manager.served()
    tell("checking the configuration")
    problems = await asyncio.to_thread(manager.problems, edited)
    running = manager.database.loaded() or {}
    found = await asyncio.to_thread(lambda: list(changes(running, edited)))
    answer = Answer()
    rows = [["Object", "Attribute", "Running", "After the reload"]]
    for label, attribute, was, will in found:
        rows.append([label, attribute, was, will])
        answer.items.append(Item(label, {"attribute": attribute, "running": was, "after-reload": will}))
    answer.lines = table(rows) if answer.items else ["A reload would change nothing."]
    answer.lines += [f"{problem.level}: {problem.text}" for problem in problems]
    answer.data = {"problems": [{"level": problem.level, "text": problem.text} for problem in problems]}
    if any(problem.fatal for problem in problems):
        answer.status, answer.text = 101, "Ok, but a reload would be refused"
    return answer


REGISTRY.add(
    Command(("dhcp", "reload", "-preview"), "Show what a reload would change in the running server.",
            "dhcp reload -preview", _preview, role=READ_ONLY),
)  # fmt: skip
