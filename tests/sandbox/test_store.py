from __future__ import annotations

import threading
from typing import Any

import pytest

from django_octanist.sandbox import store as module
from django_octanist.sandbox.contract import accept
from django_octanist.sandbox.store import Exchange, Fault, ReceivedEvent, Store


@pytest.fixture
def store() -> Store:
    return Store(api_key="key")


def exchange(**facts: Any) -> Exchange:
    return Exchange(**{"method": "GET", "path": "/", "query": "", "status": 200, "headers": {}, "body": b"", **facts})


def test_leads_get_an_id_and_a_time_and_stay_in_order(store: Store) -> None:
    first = store.add(accept({"name": "1"}))
    second = store.add(accept({"name": "2"}))
    assert store.leads == (first, second)
    assert first.id.startswith("lead_")
    assert first.id != second.id
    assert first.received_at.utcoffset() is not None


def test_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LEADS", 2)
    monkeypatch.setattr(module, "MAX_EXCHANGES", 2)
    monkeypatch.setattr(module, "MAX_EVENTS", 2)
    store = Store(api_key="")
    for number in range(3):
        store.add(accept({"name": str(number)}))
        store.record(exchange(path=str(number)))
        store.note(ReceivedEvent(data={"mid": number}, headers={}))
    assert [lead.fields["name"] for lead in store.leads] == ["1", "2"]
    assert [item.path for item in store.exchanges] == ["1", "2"]
    assert ([event.data["mid"] for event in store.events], store.event_count) == ([1, 2], 3)


def test_faults_are_used_up_in_order(store: Store) -> None:
    store.plan(Fault(status=500, times=2))
    store.plan(Fault(status=429))
    seen = [fault and fault.status for fault in (store.next_fault() for _ in range(4))]
    assert seen == [500, 500, 429, None]


@pytest.mark.parametrize("facts", [{"status": 100}, {"status": 600}, {"status": -1}, {"times": 0}])
def test_a_fault_that_cannot_be_is_refused(facts: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(facts))):
        Fault(**facts)


def test_an_address_is_first_once(store: Store) -> None:
    assert [store.is_first(email) for email in ("a@x", "A@X", "b@x")] == [True, False, True]


def test_every_change_changes_the_version(store: Store) -> None:
    versions = [store.version]
    for change in (
        lambda: store.add(accept({"name": "1"})),
        lambda: store.record(exchange()),
        lambda: store.note(ReceivedEvent(data={}, headers={})),
        lambda: store.plan(Fault()),
        store.next_fault,
        lambda: setattr(store, "api_key", "other"),
        store.clear,
    ):
        change()
        versions.append(store.version)
    assert len(set(versions)) == len(versions)
    assert store.next_fault() is None
    assert store.version == versions[-1]
    assert Store(api_key="key").version != store.version


def test_clear_forgets_all_but_the_key(store: Store) -> None:
    store.add(accept({"name": "1"}))
    store.record(exchange())
    store.plan(Fault())
    store.is_first("a@x")
    store.note(ReceivedEvent(data={}, headers={}))
    store.clear()
    assert (store.leads, store.exchanges, store.faults, store.events, store.event_count) == ((), (), (), (), 0)
    assert store.is_first("a@x")
    assert store.api_key == "key"


def test_many_threads_lose_nothing(store: Store) -> None:
    store.plan(Fault(times=400))
    used: list[Fault | None] = []

    def work() -> None:
        for _ in range(100):
            store.add(accept({"name": "x"}))
            used.append(store.next_fault())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({lead.id for lead in store.leads}) == 800
    assert sum(fault is not None for fault in used) == 400
