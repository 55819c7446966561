"""Acts on many leads: looked at, stopped, continued."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.utils import timezone

from django_octanist.admin.bulkactions import leads_of, notices
from django_octanist.bulk import batches, running
from django_octanist.bulk.running import Run
from django_octanist.models import BulkAction, Lead
from tests.bulk.test_acts import at_once, needs_a_server
from tests.delivery import make_lead, make_leads

from . import LIST, S, staff

pytestmark = pytest.mark.django_db

ACTIONS = "/admin/octanist/bulkaction/"
OVERVIEW = f"{LIST}overview/"
Kind, State = BulkAction.Kind, BulkAction.State


def begun(kind: str = Kind.REPLAY, *, user: Any = None, seconds_ago: float = 0.0, **fields: Any) -> BulkAction:
    values = {"total": 3000, "touched": 1400, "left": 100, "last": 10**9, "query": "status__exact=failed"}
    moment = timezone.now() - timedelta(seconds=seconds_ago)
    return BulkAction.objects.create(
        kind=kind, user_key=str(user.pk) if user else "", beat_at=moment, **values | fields
    )


def url(action: BulkAction, button: str = "change") -> str:
    return f"{ACTIONS}{action.pk}/{button}/"


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would run in a thread runs when it is committed, in this one. Needs ``transaction=True``."""
    monkeypatch.setattr(running, "start", lambda action, leads, ended: Run(action, leads, ended=ended)())
    monkeypatch.setattr(batches, "BATCH", 2)


class TestPage:
    def test_while_it_runs(self, admin_client: Client, admin_user: User) -> None:
        response = admin_client.get(url(begun(user=admin_user)))
        text = response.content.decode()
        for shown in (
            "Sending 3,000 leads again: 1,500 done.",
            'max="3000" value="1500"',
            "running",
            "admin",
            ">Stop<",
        ):
            assert shown in text.replace('value="Stop"', ">Stop<")
        assert response["Refresh"] == "5"
        assert "http-equiv" not in text
        assert 'value="Continue"' not in text

    def test_it_can_be_held_still(self, admin_client: Client) -> None:
        assert "Refresh" not in admin_client.get(f"{url(begun())}?still=1")

    def test_before_the_leads_are_counted(self, admin_client: Client) -> None:
        text = admin_client.get(url(begun(total=0, touched=0, left=0))).content.decode()
        assert "Sending leads again: 0 done." in text
        assert "max=" not in text.partition("<progress")[2].partition(">")[0]

    def test_finished(self, admin_client: Client) -> None:
        action = begun(state=State.FINISHED, touched=2980, left=20, finished_at=timezone.now())
        response = admin_client.get(url(action))
        text = response.content.decode()
        assert "Finished. 2,980 of 3,000 leads are sent again. Left as they are: 20." in text
        assert "Refresh" not in response
        assert "<progress" not in text
        assert f'href="{LIST}"' in text
        assert 'value="Stop"' not in text

    def test_stopped_by_an_error(self, admin_client: Client) -> None:
        action = begun(Kind.ERASE, state=State.STOPPED, error="OperationalError: disk full")
        text = admin_client.get(url(action)).content.decode()
        assert "Stopped. The personal data of 1,400 of 1,500 leads is erased." in text
        assert "OperationalError: disk full" in text

    def test_lost(self, admin_client: Client) -> None:
        response = admin_client.get(url(begun(seconds_ago=61)))
        assert "Nobody works at this any more" in response.content.decode()
        assert 'value="Continue"' in response.content.decode()
        assert "Refresh" not in response

    @pytest.mark.parametrize(("seconds_ago", "state"), [(0, "running"), (61, "interrupted")])
    def test_its_state(self, admin_client: Client, seconds_ago: float, state: str) -> None:
        action = begun(seconds_ago=seconds_ago)
        listed = re.findall(r"field-state.*?</span> ([^<]+)<", admin_client.get(ACTIONS).content.decode())
        shown = re.findall(r'<div class="readonly">([^<]+)</div>', admin_client.get(url(action)).content.decode())
        assert listed == [state]
        assert shown[1] == state

    def test_what_ended_is_not_interrupted(self, admin_client: Client) -> None:
        begun(state=State.STOPPED, seconds_ago=61)
        text = admin_client.get(ACTIONS).content.decode() + admin_client.get(OVERVIEW).content.decode()
        assert "nterrupted" not in text

    def test_the_filter_is_not_shown(self, admin_client: Client) -> None:
        action = begun(query="q=jolanda")
        for address in (ACTIONS, url(action), url(action, "history")):
            assert "jolanda" not in admin_client.get(address).content.decode()

    def test_the_list(self, admin_client: Client) -> None:
        begun()
        text = admin_client.get(ACTIONS).content.decode()
        assert "send again" in text
        assert "1400" in text.replace(",", "")

    def test_it_cannot_be_added_changed_or_deleted(self, admin_client: Client) -> None:
        action = begun()
        assert admin_client.get(f"{ACTIONS}add/").status_code == 403
        assert admin_client.post(url(action, "delete"), {"post": "yes"}).status_code == 403
        assert admin_client.post(url(action), {"state": "finished"}).status_code == 403
        assert BulkAction.objects.get().state == State.RUNNING

    @pytest.mark.parametrize("button", ["stop", "continue"])
    def test_get_changes_nothing(self, admin_client: Client, button: str) -> None:
        action = begun(seconds_ago=61)
        before = BulkAction.objects.values().get()
        for address in (ACTIONS, LIST, url(action), url(action, "history")):
            admin_client.get(address)
        assert admin_client.get(url(action, button)).status_code == 405
        assert BulkAction.objects.values().get() == before

    def test_one_that_is_not_there(self, admin_client: Client) -> None:
        assert admin_client.get(f"{ACTIONS}99/change/").status_code == 302
        assert admin_client.post(f"{ACTIONS}99/stop/").status_code == 404


class TestAboveTheLeads:
    def test_what_runs(self, admin_client: Client) -> None:
        action = begun()
        begun(Kind.CANCEL, total=12000, touched=0, left=1)
        begun(Kind.ERASE, state=State.FINISHED)
        text = admin_client.get(LIST).content.decode()
        assert "Sending 3,000 leads again: 1,500 done." in text
        assert "Cancelling 12,000 leads: 1 done." in text
        assert "Erasing" not in text
        assert url(action) in text

    @pytest.mark.parametrize("address", [LIST, OVERVIEW])
    def test_what_was_interrupted(self, admin_client: Client, address: str) -> None:
        """It looks alive nowhere, and leads to where it is continued."""
        lost = begun(seconds_ago=61)
        alive = begun(Kind.CANCEL)
        text = " ".join(admin_client.get(address).content.decode().split())
        said = "Interrupted by a deploy or a crash; it waits to be continued: Sending 3,000 leads again: 1,500 done."
        assert text.count(said) == text.count("Interrupted by") == 1
        assert f'href="{url(lost)}"' in text
        assert (url(alive) in text) is (address == LIST)

    def test_few_queries(self, django_assert_max_num_queries: Any) -> None:
        """One; a second one where the database has a clock."""
        with django_assert_max_num_queries(1):
            assert not notices(site=site)
        for _number in range(3):
            begun()
        with django_assert_max_num_queries(1 + (connection.vendor != "sqlite")):
            assert len(notices(site=site)) == 3


class TestStop:
    def test_it_stops_and_says_how_far_it_came(self, admin_client: Client) -> None:
        action = begun()
        admin_client.post(url(action, "stop"))
        action.refresh_from_db()
        assert (action.state, action.query) == (State.STOPPED, "")
        assert action.finished_at is not None
        assert LogEntry.objects.get().change_message == (
            "Stopped. 1,400 of 1,500 leads are sent again. Left as they are: 100."
        )

    def test_what_has_ended_stays_as_it_is(self, admin_client: Client) -> None:
        action = begun(state=State.FINISHED)
        assert "It had ended already." in admin_client.post(url(action, "stop"), follow=True).content.decode()
        action.refresh_from_db()
        assert action.state == State.FINISHED
        assert not LogEntry.objects.exists()

    def test_csrf(self, admin_user: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(admin_user)
        assert [client.post(url(begun(), button)).status_code for button in ("stop", "continue")] == [403, 403]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("inline")
class TestContinue:
    def test_it_goes_on_where_it_was(self, admin_client: Client, admin_user: User) -> None:
        leads = make_leads(5, status=S.FAILED)
        make_lead(status=S.INVALID)
        action = begun(user=admin_user, seconds_ago=61, after=leads[1].pk, total=5, touched=2, left=0)
        response = admin_client.post(url(action, "continue"), follow=True)
        assert "Finished. 5 leads are sent again." in response.content.decode()
        assert list(Lead.objects.order_by("pk").values_list("status", flat=True)) == [
            *["failed"] * 2,
            *["pending"] * 3,
            "invalid",
        ]
        assert sorted(LogEntry.objects.values_list("change_message", flat=True)) == [
            "Continued.",
            "Finished. 5 leads are sent again.",
        ]

    def test_not_what_somebody_works_at(self, admin_client: Client, admin_user: User) -> None:
        make_leads(2, status=S.FAILED)
        action = begun(user=admin_user, seconds_ago=30)
        response = admin_client.post(url(action, "continue"), follow=True)
        assert "It has ended, or goes on already." in response.content.decode()
        assert not Lead.objects.waiting().exists()

    def test_by_the_filter_of_who_began_it(self, client: Client) -> None:
        """Who goes on with it may see less: the leads are those that were meant."""
        owner = User.objects.create_user("owner", is_staff=True)
        owner.user_permissions.set(
            Permission.objects.filter(codename__in=["view_lead", "replay_lead", "view_lead_personal_data"])
        )
        staff(client, "view_lead", "replay_lead")
        meant = make_lead(status=S.FAILED, email="jolanda@example.com")
        make_lead(status=S.FAILED, email="other@example.com")
        client.post(url(begun(user=owner, seconds_ago=61, query="q=jolanda"), "continue"))
        assert [lead.pk for lead in Lead.objects.waiting()] == [meant.pk]

    @pytest.mark.parametrize("query", ["q=jolanda", "email__startswith=j"])
    def test_who_may_no_more_see_personal_data_acts_on_nothing_by_it(
        self, admin_client: Client, client: Client, query: str
    ) -> None:
        staff(client, "view_lead", "replay_lead")
        make_lead(status=S.FAILED, email="jolanda@example.com")
        action = begun(user=User.objects.get(username="operator"), seconds_ago=61, query=query)
        admin_client.post(url(action, "continue"))
        assert not Lead.objects.waiting().exists()

    @pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}, {"is_superuser": False}])
    def test_who_may_not_do_it_any_more(self, admin_client: Client, change: dict[str, Any]) -> None:
        owner = User.objects.create_superuser("owner")
        action = begun(user=owner, seconds_ago=61)
        User.objects.filter(pk=owner.pk).update(**change)
        make_leads(2, status=S.FAILED)
        response = admin_client.post(url(action, "continue"), follow=True)
        assert "It cannot go on" in response.content.decode()
        action.refresh_from_db()
        assert (action.state, Lead.objects.waiting().count()) == (State.STOPPED, 0)

    def test_nobody_is_left_who_began_it(self, admin_client: Client) -> None:
        make_leads(2, status=S.FAILED)
        admin_client.post(url(begun(user=None, seconds_ago=61), "continue"))
        assert not Lead.objects.waiting().exists()

    @pytest.mark.parametrize("query", ["nonsense=1", "status__nonsense=1", "created_at__gte=never", "q=%00"])
    def test_a_filter_that_is_none_any_more_chooses_nothing(
        self, admin_client: Client, admin_user: User, query: str
    ) -> None:
        make_leads(2, status=S.FAILED)
        admin_client.post(url(begun(user=admin_user, seconds_ago=61, query=query), "continue"))
        assert not Lead.objects.waiting().exists()
        assert BulkAction.objects.get().state == State.STOPPED

    @needs_a_server
    def test_two_clicks_at_once(self, admin_user: User) -> None:
        action = begun(user=admin_user, seconds_ago=61)
        clients = [Client(), Client()]
        for client in clients:
            client.force_login(admin_user)
        at_once(*(lambda client=client: client.post(url(action, "continue")) for client in clients))
        assert LogEntry.objects.filter(change_message="Continued.").count() == 1


@needs_a_server
@pytest.mark.django_db(transaction=True)
def test_from_the_list_to_the_end(admin_client: Client) -> None:
    """As an operator does it, with the thread."""
    make_leads(1200, status=S.FAILED)
    make_lead(status=S.INVALID)
    chosen = {"action": "send_again", "_selected_action": "0", "select_across": "1", "post": "yes"}
    response = admin_client.post(f"{LIST}?status__exact=failed", chosen, follow=True)
    address = response.redirect_chain[-1][0]
    for thread in running._threads:
        thread.join(30)
    text = admin_client.get(address).content.decode()
    assert "Finished. 1,200 leads are sent again." in text
    assert Lead.objects.waiting().count() == 1200
    said = LogEntry.objects.order_by("pk").values_list("change_message", flat=True)
    assert [message.partition(" ")[0] for message in said] == ["Begun:", "Finished."]


def test_the_list_s_own_filter(admin_user: User) -> None:
    found = [make_lead(status=S.FAILED, form=form).pk for form in ("a", "a", "b")]
    make_lead(form="a")
    action = begun(user=admin_user, query="status__exact=failed&form=a")
    assert {lead.pk for lead in leads_of(action, site=site)} == set(found[:2])


def test_without_the_permission_there_are_no_leads() -> None:
    user = User.objects.create_user("operator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_lead", "replay_lead"]))
    leads_of(begun(user=user), site=site)
    with pytest.raises(PermissionDenied):
        leads_of(begun(Kind.ERASE, user=user), site=site)
