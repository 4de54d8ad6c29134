"""Editing a policy's DHCP options and lease time in the configuration document.

Options are ``{name: text}`` under the option's own name, checked by encoding them. The lease time is the option
dhcp-lease-time, in seconds. Functions change nothing when they raise CommandError. Source: reference "commands
and attributes" sections 1.7 and 2.3.
"""

from __future__ import annotations

from tandem.base.errors import CommandError
from tandem.config.definitions import find_definition, find_vendor_definition
from tandem.config.places import Document, class_of, read_object, tidy, write_object
from tandem.config.schema_policy import BUILTIN_OPTIONS
from tandem.config.types import Time
from tandem.wire.options import OptionDef, decode_value, encode_value

LEASE_TIME = "dhcp-lease-time"
LEASE_TYPE = Time(lo=1, forever=True)
"""Type of a lease time: at least a second."""
_LEASE_CODE = 51
VENDOR_OPTIONS = "vendor-options"
"""The part of a policy that holds options of vendors: {option set: {name: text}}."""


def list_options(document: Document, policy: str, cls: str = "policy") -> dict[str, str]:
    """Return the text of each option of a policy by name, builtin ones included. Raises CommandError 302."""
    options = read_object(document, cls, policy).get("options", {})
    return {**(BUILTIN_OPTIONS.get(policy, {}) if cls == "policy" else {}), **options}


def get_option(document: Document, policy: str, option: str, cls: str = "policy") -> str | None:
    """Return the text of an option, by name or number; None = the policy has none. Raises CommandError 302, 316."""
    return list_options(document, policy, cls).get(_find(document, cls, policy, option).name)


def set_option(document: Document, policy: str, option: str, text: str, cls: str = "policy") -> None:
    """Set an option, by name or number. Raises CommandError 302, 316."""
    read_object(document, cls, policy)
    found = _find(document, cls, policy, option)
    try:
        stored = plain_text(found, text)
    except ValueError as error:
        raise CommandError(316, f"{class_of(cls).label(policy)}: {error}") from None
    write_object(document, cls, policy).setdefault("options", {})[found.name] = stored


def unset_option(document: Document, policy: str, option: str, cls: str = "policy") -> None:
    """Take an option out of a policy, by name or number; a builtin one gets its original value.

    Raises CommandError 302 the policy does not exist or has no such option set, 316.
    """
    content = read_object(document, cls, policy)
    name = _find(document, cls, policy, option).name
    if name not in content.get("options", {}):
        label = class_of(cls).label(policy)
        raise CommandError(302, f"{label} has no option {name} set; '{label} listOptions' shows them")
    options = write_object(document, cls, policy)["options"]
    del options[name]
    if not options:
        del write_object(document, cls, policy)["options"]
    tidy(document, cls, policy)


def set_lease_time(document: Document, policy: str, text: str, cls: str = "policy") -> None:
    """Set the lease time of a policy, e.g. 3d, 3600 or forever. Raises CommandError 302, 316."""
    set_option(document, policy, LEASE_TIME, text, cls)


def get_lease_time(document: Document, policy: str, cls: str = "policy") -> int | None:
    """Return the lease time of a policy in seconds; None = the policy has none. Raises CommandError 302."""
    text = list_options(document, policy, cls).get(LEASE_TIME)
    return None if text is None else int(text)


# --- options of vendors -----------------------------------------------------------------------------------


def list_vendor_options(document: Document, policy: str, cls: str = "policy") -> dict[str, dict[str, str]]:
    """Return the text of each option of a vendor, by option set and name. Raises CommandError 302."""
    return {key: dict(value) for key, value in read_object(document, cls, policy).get(VENDOR_OPTIONS, {}).items()}


def set_vendor_option(
    document: Document, policy: str, option: str, option_set: str, text: str, cls: str = "policy"
) -> None:
    """Set an option of a vendor, by name or number in its set. Raises CommandError 302, 316."""
    read_object(document, cls, policy)
    name, stored = _vendor_option(document, cls, policy, option, option_set, text)
    sets = write_object(document, cls, policy).setdefault(VENDOR_OPTIONS, {})
    sets.setdefault(option_set, {})[name] = stored


def unset_vendor_option(document: Document, policy: str, option: str, option_set: str, cls: str = "policy") -> None:
    """Take an option of a vendor out of a policy. Raises CommandError 302, 316."""
    name, _ = _vendor_option(document, cls, policy, option, option_set, None)
    if name not in read_object(document, cls, policy).get(VENDOR_OPTIONS, {}).get(option_set, {}):
        label = class_of(cls).label(policy)
        raise CommandError(302, f"{label} has no option {name} of {option_set} set; '{label} listVendorOptions'")
    content = write_object(document, cls, policy)
    del content[VENDOR_OPTIONS][option_set][name]
    if not content[VENDOR_OPTIONS][option_set]:
        del content[VENDOR_OPTIONS][option_set]
    if not content[VENDOR_OPTIONS]:
        del content[VENDOR_OPTIONS]
    tidy(document, cls, policy)


def _vendor_option(
    document: Document, cls: str, policy: str, option: str, option_set: str, text: str | None
) -> tuple[str, str]:
    """Return name and stored value of an option of a vendor. Raises CommandError 316."""
    try:
        found = find_vendor_definition(document, option_set, option)
        return found.name, "" if text is None else plain_text(found, text)
    except ValueError as error:
        raise CommandError(316, f"{class_of(cls).label(policy)}: {error}") from None


def plain_text(option: OptionDef, text: str) -> str:
    """Return the stored form of an option's text. Raises ValueError that names the option and what is allowed."""
    if option.code == _LEASE_CODE and option.name == LEASE_TIME:
        try:
            return str(LEASE_TYPE.parse(text))
        except ValueError as error:
            raise ValueError(f"{LEASE_TIME}: {error}") from None
    data = encode_value(option, text)
    plain = decode_value(option, data)
    return plain if encode_value(option, plain) == data else text.strip()


def _find(document: Document, cls: str, policy: str, option: str) -> OptionDef:
    try:
        return find_definition(document, option)
    except ValueError as error:
        raise CommandError(316, f"{class_of(cls).label(policy)}: {error}") from None
