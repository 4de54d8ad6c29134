"""Objects' pages: forms out of declarations, errors beside the field, the optimistic lock, parts, deletion."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from web_browser import Browser, text_of

from tandem.base.errors import CommandError
from tandem.cluster.manager import Manager
from tandem.config.schema import SECTIONS
from tandem.config.types import Secret
from tandem.control.web import forms
from tandem.control.web.pages.objects import LOOKS, OWN_PAGES

EDIT = "/dhcp/scope/edit?name=office"


@pytest.fixture
def office(admin: Browser) -> None:
    admin.post("/dhcp/scope", name="office", addr="192.168.50.0", mask="/24")


def filled(page: str) -> list[tuple[str, str]]:
    """Return what a browser would send of an edit page's main form if nothing were changed in it."""
    form = page[page.index("data-guard=") :]
    sent = []
    for tag, inside in re.findall(r"<(input|select)\s([^>]*)>", form):
        attributes = {k: unescape(v) for k, v in re.findall(r'([a-z.-]+)="([^"]*)"', inside)}
        kind, name = attributes.get("type", "text"), attributes.get("name", "")
        if tag == "select":
            chosen = re.search(rf'name="{name}".*?</select>', form, re.S)
            options = re.findall(r'<option(?: value="([^"]*)")? ?(selected)?\s*>([^<]*)', chosen[0] if chosen else "")
            sent.append((name, next((text for _, selected, text in options if selected), "")))
        elif (
            not re.search(r"\bdisabled\b", inside)
            and name not in ("", "csrf")
            and (kind not in ("radio", "checkbox") or re.search(r"\bchecked\b", inside))
        ):
            sent.append((name, attributes.get("value", "")))
    return sent


def with_fields(fields: list[tuple[str, str]], **changed: str) -> list[tuple[str, str]]:
    named = {name.replace("_", "-"): value for name, value in changed.items()}
    return [(name, value) for name, value in fields if name not in named] + list(named.items())


def errors_of(page: str) -> dict[str, str]:
    """Return the text of each error by the field that it stands beside."""
    return {name: text_of(text) for name, text in re.findall(r'<p class="error" id="e-([^"]+)">(.*?)</p>', page, re.S)}


def test_every_attribute_of_every_class_has_a_field_with_its_help(admin: Browser) -> None:
    admin.post("/mode", mode="expert", back="/")
    for cls in SECTIONS.values():
        made = forms.fields(cls, {}, lambda attribute, value: attribute.type.show(value), lambda _: [], expert=True)
        assert [field.name for field in made] == [attribute.name for attribute in cls.attributes]
        assert all(field.label and field.attribute.help for field in made)
    page = unescape(admin.get("/dhcp/server/edit").text)
    for attribute in SECTIONS["dhcp"].attributes:
        assert f'name="{attribute.name}' in page and attribute.help in page, attribute.name


def test_an_object_is_added_and_led_to_its_edit_page(admin: Browser, manager: Manager) -> None:
    answer = admin.post("/dhcp/scope", name="a/b c", addr="10.0.0.0", mask="/8")
    assert answer.headers["Location"] == "/dhcp/scope/edit?name=a%2Fb+c"
    assert "Scope a/b c was added." in admin.get(answer.headers["Location"]).text
    assert manager.database.document["scope"]["a/b c"] == {"addr": "10.0.0.0", "mask": "255.0.0.0"}


@pytest.mark.parametrize(
    ("fields", "beside", "error"),
    [
        ({"name": ""}, "name", "Write a name."),
        ({"name": "office"}, "name", "exists"),
        ({"addr": "10.0.0.300"}, "addr", "is not an IPv4 address"),
        ({"addr": ""}, "addr", "required"),
        ({"mask": "/40"}, "mask", "is not a network mask"),
        ({"addr": "192.168.50.7"}, "addr", "write 192.168.50.0"),
    ],
)
def test_what_is_wrong_in_the_form_to_add_is_told_beside_its_field(
    admin: Browser, office: None, fields: dict[str, str], beside: str, error: str, manager: Manager
) -> None:
    answer = admin.post("/dhcp/scope", **{"name": "new", "addr": "192.168.50.0", "mask": "/24", **fields})
    assert answer.status_code == 400 and list(manager.database.document["scope"]) == ["office"]
    assert list(errors_of(answer.text)) == [beside] and error in errors_of(answer.text)[beside]
    assert 'value="192.168.50' in answer.text or beside == "addr"  # what was right is still there


def test_saving_an_unchanged_form_changes_nothing(admin: Browser, office: None, manager: Manager) -> None:
    before, page = manager.database.snapshot(), admin.get(EDIT).text
    assert admin.post(EDIT, filled(page)).status_code == 303
    assert manager.database.snapshot() == before


def test_the_bar_shows_where_an_edit_page_belongs(admin: Browser, office: None) -> None:
    page = admin.get(EDIT).text
    assert '<a href="/dhcp/scope" aria-current="page">Scopes</a>' in page
    assert "</a> › office</nav>" in page


def test_fields_are_set_and_emptied_to_unset(admin: Browser, office: None, manager: Manager) -> None:
    scope = manager.database.document["scope"]["office"]
    page = filled(admin.get(EDIT).text)
    admin.post(EDIT, with_fields(page, failover_backup_percentage="25%", renew_only="on", failover="scope-disabled"))
    scope = manager.database.document["scope"]["office"]
    assert (scope["failover-backup-percentage"], scope["renew-only"], scope["failover"]) == (25, True, "scope-disabled")
    page = filled(admin.get(EDIT).text)
    admin.post(EDIT, with_fields(page, failover_backup_percentage="", renew_only="", failover=""))
    assert manager.database.document["scope"]["office"] == {"addr": "192.168.50.0", "mask": "255.255.255.0"}


def test_an_unset_attribute_shows_its_default(admin: Browser, office: None) -> None:
    page = admin.get(EDIT).text
    assert "default (use-server-settings)" in page and "default (off)" in page
    assert 'placeholder="1h"' in admin.get("/dhcp/server/edit").text  # MCLT


@pytest.mark.parametrize("attribute", [a.name for a in SECTIONS["dhcp"].attributes if not isinstance(a.type, Secret)])
def test_each_wrong_value_is_told_beside_its_field(admin: Browser, attribute: str, manager: Manager) -> None:
    admin.post("/mode", mode="expert", back="/")
    page = filled(admin.get("/dhcp/server/edit").text)
    wrong = [(name, value) for name, value in page if not name.startswith("log-settings")]
    wrong = [(name, value) for name, value in wrong if name != attribute] + [(attribute, "\x01")]
    if attribute == "log-settings":
        wrong.append(("log-settings.chosen", "yes"))
    answer = admin.post("/dhcp/server/edit", wrong)
    assert answer.status_code == 400 and list(errors_of(answer.text)) == [attribute]
    assert f'id="e-{attribute}"' in answer.text and "dhcp" not in manager.database.document


def test_several_errors_are_told_at_once_and_nothing_is_saved(admin: Browser, office: None, manager: Manager) -> None:
    page = filled(admin.get(EDIT).text)
    fields = with_fields(page, failover_main_server="x", failover_backup_percentage="101", renew_only="on")
    answer = admin.post(EDIT, fields)
    assert set(errors_of(answer.text)) == {"failover-main-server", "failover-backup-percentage"}
    assert "renew-only" not in manager.database.document["scope"]["office"]
    assert with_fields(filled(answer.text), failover_main_server="1.2.3.4", failover_backup_percentage="10")
    assert ("renew-only", "on") in filled(answer.text)  # what was written is still there


def test_a_refusal_of_the_whole_object_is_told_beside_the_field_it_names(admin: Browser, office: None) -> None:
    page = filled(admin.get(EDIT).text)
    answer = admin.post(EDIT, with_fields(page, policy="nothere"))
    assert "there is no policy" in errors_of(answer.text)["policy"].lower()


def test_flags_are_chosen_and_returned_to_their_default(admin: Browser, manager: Manager) -> None:
    page = [(n, v) for n, v in filled(admin.get("/dhcp/server/edit").text) if not n.startswith("log-settings")]
    chosen = [("log-settings.chosen", "yes"), ("log-settings", "default"), ("log-settings", "failover-detail")]
    admin.post("/dhcp/server/edit", page + chosen)
    assert manager.database.document["dhcp"] == {"log-settings": ["default", "failover-detail"]}
    page = [(n, v) for n, v in filled(admin.get("/dhcp/server/edit").text) if n != "log-settings.chosen"]
    admin.post("/dhcp/server/edit", [*page, ("log-settings.chosen", "")])
    assert manager.database.document["dhcp"] == {}


def test_secrets_are_never_shown_kept_when_left_empty_and_removed_on_demand(admin: Browser, manager: Manager) -> None:
    admin.post("/mode", mode="expert", back="/")
    page = filled(admin.get("/dhcp/server/edit").text)
    admin.post("/dhcp/server/edit", with_fields(page, failover_shared_secret="sesam"))
    text = admin.get("/dhcp/server/edit").text
    assert "sesam" not in text and "failover-shared-secret.remove" in text
    admin.post("/dhcp/server/edit", with_fields(filled(text), failover_backup_percentage="20"))
    assert manager.database.document["dhcp"]["failover-shared-secret"] == "sesam"
    fields = [*filled(admin.get("/dhcp/server/edit").text), ("failover-shared-secret.remove", "yes")]
    admin.post("/dhcp/server/edit", fields)
    assert "failover-shared-secret" not in manager.database.document["dhcp"]


def test_two_editors_do_not_lose_each_others_changes(
    admin: Browser, office: None, command: Callable[[str], list[str]], manager: Manager
) -> None:
    page = filled(admin.get(EDIT).text)
    command("scope office set renew-only=on")
    answer = admin.post(EDIT, with_fields(page, failover_backup_percentage="20"))
    told = text_of(answer.text)
    assert answer.status_code == 409 and "It was changed while you edited it." in told
    assert re.search(r"nrcmd : renew-only not set → on", told)
    assert "failover-backup-percentage" not in manager.database.document["scope"]["office"]
    again = with_fields(filled(answer.text), renew_only="on")
    assert admin.post(EDIT, again).status_code == 303  # saved over it, knowingly
    assert manager.database.document["scope"]["office"]["failover-backup-percentage"] == 20


def test_an_error_does_not_hide_that_somebody_changed_it_meanwhile(
    admin: Browser, office: None, command: Callable[[str], list[str]]
) -> None:
    page = filled(admin.get(EDIT).text)
    command("scope office set renew-only=on")
    wrong = admin.post(EDIT, with_fields(page, failover_backup_percentage="x"))
    assert wrong.status_code == 400
    right = admin.post(EDIT, with_fields(filled(wrong.text), failover_backup_percentage="20"))
    assert right.status_code == 409


def test_ranges_are_rows(admin: Browser, office: None, manager: Manager) -> None:
    page = filled(admin.get(EDIT).text)
    ranges = [("ranges.left", "192.168.50.10"), ("ranges.right", "192.168.50.20"),
              ("ranges.left", "192.168.50.100"), ("ranges.right", "192.168.50.120")]  # fmt: skip
    assert admin.post(EDIT, page + ranges).status_code == 303
    assert manager.database.document["scope"]["office"]["ranges"] == [
        ["192.168.50.10", "192.168.50.20"], ["192.168.50.100", "192.168.50.120"],
    ]  # fmt: skip
    without = [(n, "" if n.startswith("ranges") else v) for n, v in filled(admin.get(EDIT).text)]
    assert admin.post(EDIT, without).status_code == 303
    assert "ranges" not in manager.database.document["scope"]["office"]


@pytest.mark.parametrize(
    ("lowest", "highest", "error"),
    [("192.168.50.10", "", "Write lowest address"), ("192.168.51.1", "192.168.51.9", "outside the subnet"),
     ("x", "y", "IPv4"),
     ("192.168.50.20", "192.168.50.10", "lowest address first"), ("192.168.50.5", "192.168.50.9", "overlaps")],
)  # fmt: skip
def test_a_wrong_range_is_told_in_its_row(
    admin: Browser, office: None, lowest: str, highest: str, error: str, manager: Manager
) -> None:
    page = [(n, v) for n, v in filled(admin.get(EDIT).text) if not n.startswith("ranges")]
    rows = [("ranges.left", "192.168.50.1"), ("ranges.right", "192.168.50.5"),
            ("ranges.left", lowest), ("ranges.right", highest)]  # fmt: skip
    answer = admin.post(EDIT, page + rows)
    assert answer.status_code == 400 and "ranges" not in manager.database.document["scope"]["office"]
    row = re.findall(r'<div class="row wrong">.*?</div>', answer.text, re.S)
    assert len(row) == 1 and error in text_of(row[0]) and f'value="{lowest}"' in row[0]


def test_options_are_rows(admin: Browser, manager: Manager) -> None:
    edit = "/dhcp/policy/edit?name=default"
    admin.post("/dhcp/option", name="greeting", id="224", type="string")
    assert {"routers", "greeting"} <= set(re.findall(r'<option value="([^"]+)">', admin.get(edit).text))
    option = [("options.left", "routers"), ("options.right", "10.0.0.1")]
    assert admin.post(edit, filled(admin.get(edit).text) + option).status_code == 303
    assert manager.database.document["policy"]["default"]["options"] == {"routers": "10.0.0.1"}
    wrong = [("options.left", "domain-name-servers"), ("options.right", "not an address")]
    answer = admin.post(edit, filled(admin.get(edit).text) + wrong)
    row = re.findall(r'<div class="row wrong">.*?</div>', answer.text, re.S)
    assert answer.status_code == 400 and len(row) == 1 and "domain-name-servers" in row[0]


def test_an_object_is_deleted_unless_it_is_used(admin: Browser, office: None, manager: Manager) -> None:
    admin.post("/dhcp/policy", name="p")
    page = filled(admin.get(EDIT).text)
    admin.post(EDIT, with_fields(page, policy="p"))
    where = "/dhcp/policy/edit?name=p"
    version = dict(filled(admin.get(where).text))["version"]
    assert admin.post("/dhcp/policy/delete", name="p", version=version).headers["Location"] == where
    assert "Policy p is used by scope office (policy); change that first." in text_of(admin.get(where).text)
    scope_version = dict(filled(admin.get(EDIT).text))["version"]
    assert admin.post("/dhcp/scope/delete", name="office", version=scope_version).headers["Location"] == "/dhcp/scope"
    assert admin.post("/dhcp/policy/delete", name="p", version=version).headers["Location"] == "/dhcp/policy"
    assert manager.database.document["policy"] == {}


def test_lists_are_searched_sorted_and_paged_at_the_server(
    admin: Browser, manager: Manager, command: Callable[[str], list[str]]
) -> None:
    scopes = {f"s{i}": {"addr": f"10.{i}.0.0", "mask": "255.255.0.0"} for i in range(120)}
    manager.database.document["scope"] = scopes
    names = re.compile(r">(s\d+)</a>")
    page = admin.get("/dhcp/scope").text
    assert names.findall(page) == [f"s{i}" for i in range(50)] and "page 1 of 3" in page  # s2 before s10
    assert names.findall(admin.get("/dhcp/scope?sort=-addr&page=3").text) == [f"s{i}" for i in range(19, -1, -1)]
    assert names.findall(admin.get("/dhcp/scope?q=10.119.").text) == ["s119"]
    assert "Nothing fits" in admin.get("/dhcp/scope?q=xyz").text
    assert admin.get("/dhcp/scope?page=99999999999999999999&sort=nothing").status_code == 200


@pytest.mark.parametrize("role", ["read-only", "failover-operator"])
def test_who_may_not_edit_sees_no_button_and_no_open_field(role: str, browse: Callable[[str], Browser]) -> None:
    browse("superuser").post("/dhcp/scope", name="office", addr="192.168.50.0", mask="/24")
    reader = browse(role)
    for path in (EDIT, "/dhcp/server/edit", "/dhcp/policy/edit?name=default"):
        page = reader.get(path).text
        assert "Modify" not in page and "Delete" not in page and "Restore" not in page
        fields = re.findall(r"<(?:input|select|textarea)\s[^>]*>", page[page.index("data-guard") :])
        assert all("disabled" in field or 'type="hidden"' in field for field in fields)
    assert "Add Scope" not in reader.get("/dhcp/scope").text


def test_names_and_values_are_escaped(admin: Browser, command: Callable[[str], list[str]]) -> None:
    evil = "<script>alert(1)</script>"
    admin.post("/dhcp/scope", name=evil, addr="10.0.0.0", mask="/8")
    for path in (
        "/dhcp/scope",
        "/dhcp/scope/edit?name=%3Cscript%3Ealert(1)%3C/script%3E",
        "/changes",
        f"/dhcp/scope?q={evil}",
    ):
        assert evil not in admin.get(path).text


def test_every_class_of_objects_has_its_pages(admin: Browser) -> None:
    for look in [look for look in LOOKS.values() if look.cls.name not in OWN_PAGES]:
        answer = admin.get(look.path)
        assert answer.status_code == 200 and f"<h1>{look.title}</h1>" in answer.text
        assert not re.search(r"<(input|select)[^>]*\bdisabled\b", answer.text), look.path  # all can be filled in


def test_reservations_are_objects_within_their_scope(admin: Browser, office: None, manager: Manager) -> None:
    answer = admin.post("/dhcp/reservation", name="192.168.50.9", key="00:d0:ba:d3:bd:3b")
    assert answer.headers["Location"] == "/dhcp/reservation/edit?name=192.168.50.9"
    assert [r["address"] for r in manager.database.document["scope"]["office"]["reservations"]] == ["192.168.50.9"]
    listed = text_of(admin.get("/dhcp/reservation").text)
    assert "192.168.50.9 1,6,00:d0:ba:d3:bd:3b" in listed and "office" in listed
    wrong = admin.post("/dhcp/reservation", name="10.0.0.1", key="00:d0:ba:d3:bd:3c")
    assert "in no scope's subnet" in errors_of(wrong.text)["name"]
    assert "in use" not in errors_of(admin.post("/dhcp/reservation", name="192.168.50.8", key="x").text)["key"]


def test_a_client_is_named_by_its_hardware_address(admin: Browser, manager: Manager) -> None:
    answer = admin.post("/dhcp/client", name="00:d0:ba:d3:bd:3b")
    assert answer.headers["Location"] == "/dhcp/client/edit?name=1%2C6%2C00%3Ad0%3Aba%3Ad3%3Abd%3A3b"
    assert admin.get(answer.headers["Location"]).status_code == 200
    assert "hardware address" in errors_of(admin.post("/dhcp/client", name="x y").text)["name"]


def test_an_embedded_policy_is_edited_on_its_own_page(admin: Browser, office: None, manager: Manager) -> None:
    where = "/dhcp/scope/policy?name=office"
    assert where in admin.get(EDIT).text
    page = filled(admin.get(where).text)
    option = [("options.left", "routers"), ("options.right", "192.168.50.1")]
    assert admin.post(where, with_fields(page, grace_period="10m") + option).headers["Location"] == EDIT
    embedded = manager.database.document["scope"]["office"]["embedded-policy"]
    assert embedded == {"grace-period": 600, "options": {"routers": "192.168.50.1"}}
    stale = admin.post(where, with_fields(page, grace_period="20m"))
    assert stale.status_code == 409 and "superuser" in text_of(stale.text)


def test_a_long_list_makes_only_the_rows_that_it_shows(admin: Browser, manager: Manager) -> None:
    clients = {f"1,6,00:00:00:00:{i >> 8:02x}:{i & 255:02x}": {"host-name": f"h{i}"} for i in range(2000)}
    manager.database.document["client"] = clients
    page = text_of(admin.get("/dhcp/client").text)
    assert "2000 clients" in page and "page 1 of 40" in page and page.count(" h") < 60
    assert "h1234" in text_of(admin.get("/dhcp/client?q=h1234").text)


def test_a_scope_is_made_from_a_template(admin: Browser, command: Callable[[str], list[str]], manager: Manager) -> None:
    assert "Scope Template</label>" not in admin.get("/dhcp/scope").text
    command("scope-template small create 'ranges-expr=(create-range 2 100)' renew-only=on")
    assert "Scope Template</label>" in admin.get("/dhcp/scope").text
    answer = admin.post("/dhcp/scope", name="lab", addr="10.1.0.0", mask="/24", template="small")
    assert answer.headers["Location"] == "/dhcp/scope/edit?name=lab"
    scope = manager.database.document["scope"]["lab"]
    assert scope["ranges"] == [["10.1.0.2", "10.1.0.100"]] and scope["renew-only"]
    unnamed = admin.post("/dhcp/scope", name="", addr="10.2.0.0", mask="/24", template="small")
    assert unnamed.status_code == 303 and len(manager.database.document["scope"]) == 2
    wrong = admin.post("/dhcp/scope", name="lab", addr="10.3.0.0", mask="/24", template="small")
    assert "exists" in errors_of(wrong.text)["name"]


def test_a_server_may_be_written_by_its_host_name(
    admin: Browser, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look_up(attribute: str, name: str) -> str:
        if name == "main.example":
            return "192.168.50.2"
        raise CommandError(316, f"{attribute}: {name} cannot be looked up")

    monkeypatch.setattr("tandem.cluster.names._address_of", look_up)
    page = filled(admin.get("/dhcp/server/edit").text)
    fields = with_fields(page, failover_main_server="main.example", failover_backup_server="elsewhere.example")
    refused = admin.post("/dhcp/server/edit", fields)
    assert errors_of(refused.text) == {"failover-backup-server": "Elsewhere.example cannot be looked up."}
    admin.post("/dhcp/server/edit", with_fields(page, failover_main_server="main.example"))
    assert manager.database.document["dhcp"] == {"failover-main-server": "192.168.50.2"}


def test_what_a_template_gives_is_shown_while_it_is_written(admin: Browser, manager: Manager) -> None:
    admin.post("/dhcp/scope-template", name="branch")
    before = manager.database.snapshot()
    fields = {"name": "branch", "subnet": "10.7.0.0/24", "scope-name": '(concat "b-" subnet)',
              "ranges-expr": "(create-range 10 (- nhosts 4))",
              "options-expr": '(create-option "routers" (create-ipaddr subnet 1))'}  # fmt: skip
    page = text_of(admin.post("/dhcp/scope-template/preview", **fields).text)
    assert "Name b-10.7.0.0/24 Ranges 10.7.0.10 – 10.7.0.250 Options routers: 10.7.0.1" in page
    wrong = fields | {"ranges-expr": "(create-range 10", "options-expr": '(create-option "nosuch" 1)'}
    page = text_of(admin.post("/dhcp/scope-template/preview", **wrong).text)
    beside = re.search(r'id="e-ranges-expr"[^>]*hx-swap-oob="true">([^<]*)', admin.post(
        "/dhcp/scope-template/preview", **wrong).text)  # fmt: skip
    assert beside is not None and beside[1].startswith("1 closing parenthesis is missing")
    assert "Name b-10.7.0.0/24 Ranges none Ranges Expression: " in page and "nosuch" in page
    page = text_of(admin.post("/dhcp/scope-template/preview", **fields | {"subnet": "10.7.0.1"}).text)
    assert "10.7.0.1" in page and "Name" not in page
    assert manager.database.snapshot() == before


def test_lists_are_searched_and_sorted_by_what_they_show(admin: Browser, command: Callable[[str], list[str]]) -> None:
    for number, host in ((10, "carol"), (9, "dave"), (2, "alice"), (1, "bob")):
        command(f"client 1,6,00:00:00:00:00:{number:02} create host-name={host}")
    names = ["alice", "bob", "carol", "dave"]

    def shown(query: str) -> list[str]:
        return [word for word in text_of(admin.get(f"/dhcp/client?{query}").text).split() if word in names]

    assert shown("sort=host-name") == names and shown("sort=-host-name") == names[::-1]
    assert shown("sort=name") == ["bob", "alice", "dave", "carol"]
    assert shown("q=alice") == ["alice"] and shown("q=nobody") == [] and shown("q=00:09") == ["dave"]


def test_scopes_are_sorted_by_their_ranges_and_reservations_by_their_scopes(
    admin: Browser, command: Callable[[str], list[str]]
) -> None:
    for name, net, last in (("a", 9, 5), ("b", 10, 7), ("c", 8, 6)):
        command(f"scope {name} create 10.0.{net}.0 255.255.255.0")
        command(f"scope {name} addRange 10.0.{net}.{last} 10.0.{net}.9")
        command(f"scope {name} addReservation 10.0.{net}.1 1,6,00:00:00:00:00:{net:02}")

    def shown(path: str) -> list[str]:
        return re.findall(r"edit\?name=([^\"]*)", admin.get(path).text)

    assert shown("/dhcp/scope?sort=ranges") == ["c", "a", "b"] == shown("/dhcp/scope?sort=-ranges")[::-1]
    assert shown("/dhcp/scope?q=10.0.9.") == ["a"]
    assert shown("/dhcp/reservation?sort=within") == ["10.0.9.1", "10.0.10.1", "10.0.8.1"]
    assert shown("/dhcp/reservation?sort=nosuch") == ["10.0.8.1", "10.0.9.1", "10.0.10.1"]
    assert shown("/dhcp/reservation?q=b") == ["10.0.10.1"], "the link from the scope's page leads to its reservations"


def test_a_required_field_is_marked_for_the_browser(admin: Browser) -> None:
    assert re.search(r'<input id="f-name"[^>]*\brequired\b[^>]*\saria-describedby', admin.get("/dhcp/client").text)


def test_options_of_ones_own_are_shown_by_their_names(
    admin: Browser, manager: Manager, command: Callable[[str], list[str]]
) -> None:
    command("option phone-servers create 224 ip")
    command("policy gold create")
    version = re.search(r'name="version" value="([^"]*)"', admin.get("/dhcp/policy/edit?name=gold").text)
    assert version is not None
    written = {"version": unescape(version[1]), "v4-reply-options": "phone-servers,routers"}
    assert admin.post("/dhcp/policy/edit?name=gold", **written).status_code == 303
    assert manager.database.document["policy"]["gold"]["v4-reply-options"] == ["option-224", "routers"]
    page = admin.get("/dhcp/policy/edit?name=gold").text
    assert 'value="phone-servers,routers"' in page and "option-224" not in page
    assert command("policy gold get v4-reply-options")[1] == "v4-reply-options=phone-servers,routers"
    command("option phone-servers set id=225")
    assert 'value="option-224,routers"' in admin.get("/dhcp/policy/edit?name=gold").text, "it is the number that counts"


def test_an_empty_list_says_what_comes_first(admin: Browser, command: Callable[[str], list[str]]) -> None:
    assert "There are no scopes yet. Clients get addresses only in scopes" in text_of(admin.get("/dhcp/scope").text)
    assert "Add a scope first, in which it lies." in text_of(admin.get("/dhcp/reservation").text)
    assert "First Steps" in admin.get("/dhcp/server").text
    command("scope lan create 10.0.0.0 255.0.0.0")
    assert "Add a scope first" not in admin.get("/dhcp/reservation").text
    assert "First Steps" not in admin.get("/dhcp/server").text
    assert "yet" not in text_of(admin.get("/dhcp/scope?q=none").text).partition("Nothing fits")[2]


def test_a_scope_is_written_where_there_are_too_many_to_choose_from(
    admin: Browser, manager: Manager, command: Callable[[str], list[str]]
) -> None:
    command("scope one create 10.0.0.0 255.255.255.0")
    assert '<select id="f-scope"' in admin.get("/dhcp/utilization").text
    lan = dict(manager.database.document["scope"]["one"])
    many = {f"s{n}": {**lan, "addr": f"10.{n >> 8}.{n & 255}.0"} for n in range(400)}
    manager.database.edit("test", "scope", "s0", lambda document: document["scope"].update(many))
    for path in ("/dhcp/utilization", "/dhcp/leases"):
        page = admin.get(path).text
        assert '<input id="f-scope"' in page and '<option' in page and "s399" not in page
