"""The lease database: what is saved is read back, later saves win, damage is refused with advice."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from tandem.base.io import SaveAcked, SaveBinding, SaveShare, SaveState
from tandem.lease.binding import COLUMNS, Binding
from tandem.runtime.failure import CannotRun
from tandem.runtime.store import FILE, Batch, Save, Store, commit, connect, hold


def row(address: int, expires: int = 1700000000, acked: int = 0, options: bytes = b"") -> tuple[object, ...]:
    binding = Binding(address, 2)
    binding.hardware = b"\x01" + address.to_bytes(6, "big")
    binding.client_id = b"\x00\xff"
    binding.expires = expires
    binding.acked_potential = acked
    binding.options = options
    return binding.row()


def write(directory: Path, *saves: Save) -> None:
    Store(directory).close()
    connection = connect(directory / FILE)
    batch = Batch()
    batch.add(saves)
    commit(connection, batch)
    connection.close()


def read(directory: Path) -> tuple[list[tuple[object, ...]], list[tuple[int, int, int]], dict[str, dict[str, object]]]:
    store = Store(directory)
    result = list(store.rows()), store.shares(), store.states()
    store.close()
    return result


def test_a_new_directory_gives_an_empty_database(tmp_path: Path) -> None:
    assert read(tmp_path) == ([], [], {})


@pytest.mark.parametrize("count", [1, 2, 3, 63, 64, 65, 255, 256, 257, 600])
def test_every_batch_size_is_written_whole(tmp_path: Path, count: int) -> None:
    rows = [row(0xFFFFFFFF - i, options=bytes([i & 255]) * (i % 40)) for i in range(count)]
    write(tmp_path, *(SaveBinding(r) for r in rows))
    assert read(tmp_path)[0] == sorted(rows, key=lambda r: r[0])


def test_the_later_row_wins_within_and_between_batches(tmp_path: Path) -> None:
    write(tmp_path, SaveBinding(row(7, 100)), SaveBinding(row(8, 100)))
    write(tmp_path, SaveBinding(row(7, 200)), SaveBinding(row(9, 200)), SaveBinding(row(7, 300)))
    assert [(r[0], r[4]) for r in read(tmp_path)[0]] == [(7, 300), (8, 100), (9, 200)]


def test_an_acknowledgement_changes_two_columns_unless_a_later_row_overrides_it(tmp_path: Path) -> None:
    write(tmp_path, *(SaveBinding(row(a)) for a in range(1, 400)))
    write(
        tmp_path,
        SaveAcked([(a, 1000 + a, 1) for a in range(1, 398)]),
        SaveBinding(row(5, 100, acked=55)),
        SaveAcked([(6, 66, 1), (99999, 1, 1)]),
        SaveBinding(row(398, 100)),
        SaveAcked([(398, 77, 1)]),
    )
    acked, current = COLUMNS.index("acked_potential"), COLUMNS.index("up_to_date")
    found = {r[0]: (r[acked], r[current]) for r in read(tmp_path)[0]}
    assert found[4] == (1004, 1) and found[397] == (1397, 1)
    assert found[5] == (55, 0)
    assert found[6] == (66, 1)
    assert found[398] == (77, 1)
    assert found[399] == (0, 0)
    assert 99999 not in found


def test_states_are_kept_by_name(tmp_path: Path) -> None:
    write(tmp_path, SaveState("a-b", {"state": 1}), SaveState("c-d", {"label": "ü"}), SaveState("a-b", {"state": 2}))
    assert read(tmp_path)[2] == {"a-b": {"state": 2}, "c-d": {"label": "ü"}}


def test_shares_keep_what_a_naive_map_of_addresses_keeps(tmp_path: Path) -> None:
    rng = random.Random(5)
    naive: dict[int, int] = {}
    Store(tmp_path).close()
    connection = connect(tmp_path / FILE)
    for _ in range(300):
        lo = rng.randrange(1, 60)
        save = SaveShare(lo, lo + rng.randrange(0, 12), rng.random() < 0.6, rng.random() < 0.5)
        batch = Batch()
        batch.add([save])
        commit(connection, batch)
        for address in range(save.lo, save.hi + 1):
            if save.backup:
                naive[address] = int(save.acked)
            else:
                naive.pop(address, None)
        stored = {}
        for lo, hi, acked in connection.execute("SELECT lo, hi, acked FROM share"):
            for address in range(lo, hi + 1):
                assert address not in stored, "ranges overlap"
                stored[address] = acked
        assert stored == naive
    connection.close()


def test_neighbouring_shares_become_one_range(tmp_path: Path) -> None:
    write(tmp_path, *(SaveShare(a, a, True, True) for a in (5, 3, 4, 7, 6)), SaveShare(8, 9, True, False))
    assert read(tmp_path)[1] == [(3, 7, 1), (8, 9, 0)]


def test_a_failed_transaction_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, SaveBinding(row(1, 100)))
    connection = connect(tmp_path / FILE)
    batch = Batch()
    batch.add([SaveBinding(row(1, 200)), SaveBinding((2, "not a number", *row(2)[2:])), SaveState("x", {})])
    with pytest.raises(sqlite3.IntegrityError):
        commit(connection, batch)
    connection.close()
    assert [r[4] for r in read(tmp_path)[0]] == [100]


def test_a_second_server_is_refused_and_told_who_is_there(tmp_path: Path) -> None:
    with hold(tmp_path / "dhcp"):
        with pytest.raises(CannotRun, match=r"another DHCP server \(process \d+\) is using .*; stop it") as caught:
            hold(tmp_path / "dhcp")
        assert caught.value.status == 1
    hold(tmp_path / "dhcp").close()


@pytest.mark.parametrize("damage", ["garbage", "page", "column", "cut"])
def test_a_damaged_database_is_refused_with_advice(tmp_path: Path, damage: str) -> None:
    write(tmp_path, *(SaveBinding(row(a, options=bytes(50))) for a in range(1, 2000)))
    path = tmp_path / FILE
    data = path.read_bytes()
    if damage == "garbage":
        path.write_bytes(b"this is no database" * 100)
    elif damage == "page":
        path.write_bytes(data[:20480] + b"\xa5" * 4096 + data[24576:])
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        connection = sqlite3.connect(path)
        connection.execute("ALTER TABLE lease DROP COLUMN granted_by")
        connection.close()
    with pytest.raises(CannotRun, match=r"damaged.*move leases\.db,") as caught:
        Store(tmp_path)
    assert caught.value.status == 4


def test_a_database_of_another_version_is_refused(tmp_path: Path) -> None:
    write(tmp_path, SaveBinding(row(1)))
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(CannotRun, match="format 7, this program knows format 2") as caught:
        Store(tmp_path)
    assert caught.value.status == 4


def test_a_database_of_the_first_format_is_brought_up_to_date(tmp_path: Path) -> None:
    write(tmp_path, SaveBinding(row(1, options=b"\x0c\x01a")), SaveState("pair", {"state": 2}))
    connection = sqlite3.connect(tmp_path / FILE)
    for column in ("reply_options", "ddns"):
        connection.execute(f"ALTER TABLE lease DROP COLUMN {column}")
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    assert read(tmp_path) == ([row(1, options=b"\x0c\x01a")], [], {"pair": {"state": 2}})
    write(tmp_path, SaveBinding(row(2)))
    assert len(read(tmp_path)[0]) == 2


def test_it_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    Store(tmp_path).close()
    connection = connect(tmp_path / FILE)
    batch = Batch()
    batch.add([SaveBinding(row(1))])
    commit(connection, batch)
    reader = sqlite3.connect(f"file:{tmp_path / FILE}?mode=ro", uri=True)
    assert reader.execute("SELECT count(*) FROM lease").fetchone() == (1,)
    batch = Batch()
    batch.add([SaveBinding(row(2))])
    commit(connection, batch)
    assert reader.execute("SELECT count(*) FROM lease").fetchone() == (2,)
    reader.close()
    connection.close()


def test_what_is_large_in_a_state_is_written_again_only_when_it_changes(tmp_path: Path) -> None:
    shares = {f"scope-{n}": [n, n] for n in range(1000)}
    first = {"state": 3, "last_operation": 1, "shares_at_loss": shares}
    write(tmp_path, SaveState("pair", first), SaveState("pair b", {"state": 1}))
    assert read(tmp_path)[2] == {"pair": first, "pair b": {"state": 1}}
    connection = connect(tmp_path / FILE)
    for last_operation, changed, rows in ((2, shares, 1), (2, shares, 0), (3, {}, 2)):
        values = first | {"last_operation": last_operation, "shares_at_loss": dict(changed)}
        before = connection.total_changes
        batch = Batch()
        batch.add([SaveState("pair", values)])
        commit(connection, batch)
        assert connection.total_changes - before == rows
        assert read(tmp_path)[2]["pair"] == values
    connection.close()
