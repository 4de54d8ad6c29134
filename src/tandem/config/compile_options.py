"""Whether the definitions of options in a configuration can stand together."""

from __future__ import annotations

from collections.abc import Mapping

from tandem.config.definitions import definition, wrong_definition
from tandem.config.reading import Item, Problems


def check_definitions(items: Mapping[str, Mapping[str, Item]], problems: Problems) -> None:
    """Add what is wrong with custom options and options of vendors to ``problems``."""
    numbers: dict[tuple[str, int], str] = {}
    for cls in ("option", "vendor-option"):
        for name, item in items[cls].items():
            why = wrong_definition(name, item.content) if cls == "option" else ""
            try:
                definition(name, item.content)
            except ValueError as error:
                why = why or str(error)
            if why:
                problems.error(item.label, "", "", why)
            option_set = item.values.get("option-set", "")
            if cls == "vendor-option" and option_set not in items["option-set"]:
                problems.error(
                    item.label, "option-set", option_set, "there is no such option-set; create it, or write another's"
                )
            other = numbers.setdefault((option_set, item.values["id"]), item.label)
            if other != item.label:
                problems.error(item.label, "id", str(item.values["id"]), f"is that of {other} too; choose another")
