"""The options that policies may hold: the standard ones, and those that the operator has defined.

Works on documents, also on wrong ones. Source: reference "commands and attributes" section 1.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tandem.config.policy_types import policy_option
from tandem.wire.option_types import KINDS, LISTS
from tandem.wire.options import OptionDef, all_options, encode_value, find_option

Document = Mapping[str, Any]
_UNKNOWN = "unassigned"


def encoded(document: Document, name: str, text: str) -> tuple[int, bytes]:
    """Return number and value of an option, by name or number, also of one that only clients send.

    ``text`` is written as its type demands, or as 0x and hexadecimal digits. Raises ValueError.
    """
    try:
        option = find_definition(document, name)
    except ValueError:
        option = find_option(name)
    if text.lower().startswith("0x"):
        return option.code, bytes.fromhex(text[2:])
    return option.code, encode_value(option, text)


def find_definition(document: Document, text: str) -> OptionDef:
    """Return the option that ``text`` names or numbers, a custom one too. Raises ValueError with a hint."""
    custom = _section(document, "option")
    name = text.strip().lower()
    if name in custom:
        return definition(name, custom[name])
    try:
        found = policy_option(text)
    except ValueError as error:
        names = f", or one of {', '.join(custom)}" if custom else ""
        raise ValueError(f"{error}{names}") from None
    if found.source == _UNKNOWN:
        for other, content in custom.items():
            if isinstance(content, dict) and content.get("id") == found.code:
                return definition(other, content)
    return found


def with_numbers(document: Document, text: str) -> str:
    """Return a list of options, with commas, in which custom ones stand by their numbers."""
    custom = _section(document, "option")
    words = [word.strip() for word in text.split(",")]
    return ",".join(str(definition(w.lower(), custom[w.lower()]).code) if w.lower() in custom else w for w in words)


def with_names(document: Document, text: str) -> str:
    """Return a list of options, with commas, in which custom ones stand by their names, whatever stands there now."""
    custom = {f"option-{content['id']}": name for name, content in _section(document, "option").items()}
    return ",".join(custom.get(word, word) for word in text.split(","))


def standard_names() -> list[str]:
    """Return the names of the standard options."""
    return [option.name for option in all_options()]


def find_vendor_definition(document: Document, option_set: str, text: str) -> OptionDef:
    """Return the option of a vendor that ``text`` names or numbers. Raises ValueError that says which there are."""
    if option_set not in _section(document, "option-set"):
        known = ", ".join(_section(document, "option-set")) or "none yet: 'option-set NAME create'"
        raise ValueError(f"there is no option-set {option_set!r}; there are: {known}")
    mine = {
        name: content
        for name, content in _section(document, "vendor-option").items()
        if isinstance(content, dict) and content.get("option-set") == option_set
    }
    for name, content in mine.items():
        if text.strip().lower() == name or text.strip() == str(content.get("id")):
            return definition(name, content)
    known = ", ".join(mine) or "none yet: 'vendor-option NAME create'"
    raise ValueError(f"option-set {option_set} has no option {text!r}; it has: {known}")


def definition(name: str, content: object) -> OptionDef:
    """Return what a custom or vendor option is. Raises ValueError when its content is not one."""
    match content:
        case {"id": int(code), "type": str(kind), **more} if 0 < code < 255 and kind in KINDS:
            if more.get("repeat"):
                if kind not in LISTS:
                    raise ValueError(f"option {name}: repeat needs a type of fixed size: {', '.join(LISTS)}")
                kind = LISTS[kind]
            return OptionDef(code, name, kind, "custom")
    raise ValueError(f"option {name} is not defined in full; delete it and create it anew")


def wrong_definition(name: str, content: Mapping[str, Any]) -> str:
    """Return why a custom option cannot be: its name or number is a standard option's. Empty if it can."""
    try:
        standard = find_option(name)
    except ValueError:
        standard = find_option(str(content.get("id", 0) or 1))
    if standard.source != _UNKNOWN:
        return (
            f"{standard.name} ({standard.code}) is a standard option ({standard.source}); choose another name, and a"
            " number that no standard option has, e.g. 224 to 251"
        )
    return ""


def _section(document: Document, cls: str) -> Mapping[str, Any]:
    section = document.get(cls, {}) if isinstance(document, dict) else {}
    return section if isinstance(section, dict) else {}
