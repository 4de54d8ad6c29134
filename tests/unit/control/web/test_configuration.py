"""Export and import by the page: a file is previewed, comes back as it went, and its mistakes are told by line."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from web_browser import Browse, Browser, text_of

from tandem.cluster.manager import Manager

HOME = "/dhcp/server/configuration"
Run = Callable[[str], list[str]]


@pytest.fixture
def text(admin: Browser, command: Run) -> str:
    for line in ("scope office create 192.168.50.0 /24", "scope office addRange 192.168.50.10 192.168.50.200",
                 "policy gold create grace-period=10m", "dhcp set failover-shared-secret=geheim"):  # fmt: skip
        command(line)
    answer = admin.get(f"{HOME}/file")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="test-configuration.json"'
    return answer.text


def hidden(page: str) -> str:
    found = re.search(r'name="shown" value="([^"]*)"', page)
    return found[1] if found else ""


def test_a_file_is_previewed_and_then_taken_in(admin: Browser, text: str, command: Run, manager: Manager) -> None:
    assert "geheim" not in text
    before = manager.database.snapshot()
    assert "It changes nothing." in admin.post(HOME, text=text).text
    wanted = text.replace('"192.168.50.200"', '"192.168.50.99"')
    preview = admin.post(HOME, text=wanted)
    assert preview.status_code == 200 and "Import 1 Change<" in preview.text
    assert "192.168.50.10 – 192.168.50.200 192.168.50.10 – 192.168.50.99" in text_of(preview.text)
    assert manager.database.snapshot() == before
    command("policy gold set grace-period=20m")
    again = admin.post(HOME, text=wanted, shown=hidden(preview.text))
    assert "Nothing is imported yet" in again.text and "Import 2 Changes" in again.text
    assert admin.post(HOME, text=wanted, shown=hidden(again.text)).headers["Location"] == "/dhcp/server"
    assert "2 changes, change set" in admin.get("/dhcp/server").text
    document = manager.database.document
    assert document["scope"]["office"]["ranges"] == [["192.168.50.10", "192.168.50.99"]]
    assert document["dhcp"]["failover-shared-secret"] == "geheim"
    assert document["policy"]["gold"] == {"grace-period": 600}


@pytest.mark.parametrize(
    ("old", "new", "says", "why"),
    [
        ('"192.168.50.200"', '"192.168.51.200"', '"192.168.50.10"', "lies outside the subnet"),
        ('"grace-period": 600', '"grace-period": "x"', '"grace-period": "x"', "not a time"),
        ('"grace-period": 600', '"grace-perio": 600', '"grace-perio": 600', "no attribute"),
        ('"grace-period": 600', '"grace-period" 600', '"grace-period" 600', "not JSON"),
        ('"scope": {', '"scopes": {', "", "unknown class"),
    ],
)
def test_a_mistake_is_told_with_its_line(
    admin: Browser, text: str, old: str, new: str, says: str, why: str, manager: Manager
) -> None:
    before = manager.database.snapshot()
    assert old in text
    wrong = text.replace(old, new)
    page = admin.post(HOME, text=wrong)
    assert page.status_code == 400 and manager.database.snapshot() == before
    told = re.search(r'data-label="Line" class="number">(\d*)</td>.*?<code>(.*?)</code>.*?wrong">(.*?)</td>', page.text)
    assert told and why in told[3], page.text
    assert told[2].replace("&#34;", '"').startswith(says)
    assert not says or says in wrong.split("\n")[int(told[1]) - 1]


def test_all_mistakes_of_a_file_are_told_at_once(admin: Browser, text: str) -> None:
    wrong = text.replace('"grace-period": 600', '"grace-period": -1').replace('"192.168.50.10"', '"x"')
    page = admin.post(HOME, text=wrong).text
    assert page.count('data-label="Line"') == 2 and "nothing was changed" in page


def test_who_may_not_edit_can_export_and_no_more(browse: Browse, text: str) -> None:
    reader = browse("read-only")
    assert "Download" in reader.get(HOME).text and "Preview" not in reader.get(HOME).text
    assert reader.post(HOME, text=text).status_code == 403
