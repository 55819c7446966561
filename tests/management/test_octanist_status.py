from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import django
import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import override as override_language

from django_octanist import figures
from django_octanist.management.status.sentences import span
from django_octanist.models import DeliveryAttempt, DeliveryPause, Lead
from tests.figures import S, attempted, stored

pytestmark = pytest.mark.django_db

R = DeliveryPause.Reason
ROOT = Path(__file__).parent.parent.parent
PERSONAL = ["jo@example.com", "test-key"]


def status(**options: Any) -> tuple[str, str]:
    """Return what the command printed, and its error."""
    output = StringIO()
    try:
        call_command("octanist_status", stdout=output, stderr=output, **options)
    except CommandError as error:
        return output.getvalue(), str(error)
    finally:
        assert not [word for word in PERSONAL if word in output.getvalue()]
    return output.getvalue(), ""


def document(**options: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(status(json=True, **options)[0])
    return found


def lead(*, minutes: float = 5, took: float | None = None, **values: Any) -> Lead:
    return stored(timezone.now(), ago=timedelta(minutes=minutes), took=took, **values)


def paused(reason: R = R.UNAUTHORIZED, account: str = "default", *, minutes: float = 30) -> None:
    now = timezone.now()
    DeliveryPause.objects.create(
        account=account, reason=reason, since=now - timedelta(minutes=minutes), probe_at=now + timedelta(minutes=4)
    )


def lose_the_pixel(form: str = "contact") -> None:
    for day in range(10):
        for _index in range(10):
            link = Lead.Linked.YES if day else Lead.Linked.NO
            lead(minutes=day * 1440 + 60, took=1.0, form=form, linked=link)


class TestForPeople:
    def test_all_is_well(self) -> None:
        lead(minutes=12)
        for _index in range(3):
            lead(took=4.0)
        lead(status=S.REJECTED)
        output, error = status()
        lines = output.splitlines()
        assert error == ""
        assert re.fullmatch(r"Octanist, \d{4}-\d\d-\d\d \d\d:\d\d: healthy", lines[0])
        assert lines[2:5] == [
            "default: delivering",
            "  pending           1 lead, the oldest for 12 min",
            "  in 24 hours       5 leads: 1 pending, 3 delivered, 1 rejected",
        ]
        assert lines[5] == "  success rate      100.0%"
        assert re.fullmatch(r"  until delivered   median [345]\.\d s, 95 of 100 within [345]\.\d s", lines[6])
        assert len(lines) == 7

    def test_without_a_lead(self) -> None:
        output, error = status()
        assert error == ""
        assert "pending           none\n  in 24 hours       0 leads\n" in output
        assert "success rate" not in output

    @pytest.mark.parametrize(
        ("reason", "advice"),
        [
            (R.UNAUTHORIZED, "Set the right API key, restart the site and run octanist_check. Nothing is lost."),
            (R.ENDPOINT, "Set OCTANIST_API_URL right"),
            (R.OUTAGE, "Nothing, if Octanist is down"),
        ],
    )
    def test_a_paused_account(self, reason: R, advice: str) -> None:
        paused(reason)
        lead()
        output, error = status()
        assert f"default: paused since {timezone.localtime() - timedelta(minutes=30):%Y-%m-%d}" in output
        assert re.search(rf"\({reason.label}\), next try in (4|3\.9|4\.0) min; 1 lead waits\.", output)
        assert advice in output
        assert error.startswith("Unhealthy: Account default is paused")

    def test_a_rate_limited_account_is_well(self) -> None:
        paused(R.RATE_LIMITED)
        lead()
        output, error = status()
        assert "(rate limited)" in output
        assert error == ""

    @override_settings(OCTANIST_API_KEY="", OCTANIST_API_KEYS={"shop": ""})
    def test_accounts_without_a_key(self) -> None:
        lead()
        lead()
        output, error = status()
        assert "default: no API key" in output
        assert "shop: no API key" in output
        assert error == "Unhealthy: Account default has no API key; 2 leads wait."
        assert "Put its key into OCTANIST_API_KEY and restart" in output
        assert "misspelt" not in output

    def test_an_account_that_no_setting_knows(self) -> None:
        lead(account="nope")
        output, _error = status()
        assert 'Put its key into OCTANIST_API_KEYS["nope"] and restart the site.' in output
        assert "If octanist_account of the form is misspelt, mend that, too" in output

    def test_leads_that_wait_too_long(self) -> None:
        lead(minutes=59)
        assert status()[1] == ""
        lead(minutes=180)
        output, error = status()
        assert error == "Unhealthy: Account default: the oldest pending lead has waited for 3.0 h."
        assert "octanist_worker --once" in output

    @pytest.mark.parametrize("kind", [S.FAILED, S.INVALID])
    def test_leads_that_need_a_person(self, kind: S) -> None:
        lead(status=kind)
        output, error = status()
        assert error.startswith("Unhealthy: Account default: 1 lead failed, or had data that Octanist refused")
        assert "octanist_replay" in output

    def test_leads_that_waited_and_are_being_sent(self) -> None:
        attempted(lead(minutes=180), timezone.now(), outcome=DeliveryAttempt.Outcome.DELIVERED)
        output, error = status()
        assert error == ""
        assert ": healthy\n" in output
        assert "default: catching up, the leads that waited are being sent\n" in output
        assert "pending           1 lead, the oldest for 3.0 h" in output
        found = document()
        assert (found["healthy"], found["problems"], found["accounts"][0]["state"]) == (True, [], "catching_up")

    def test_a_form_that_lost_its_pixel_is_no_failure(self) -> None:
        lose_the_pixel()
        output, error = status()
        assert error == ""
        assert "Forms that lost their pixel:\n  contact           0% linked lately, 100% before (default)" in output
        assert "0% of its leads are linked in the last 24 hours, 100% before." in output

    @override_settings(OCTANIST_TIMEOUT="soon")
    def test_a_wrong_setting(self) -> None:
        output, error = status()
        assert "- OCTANIST_TIMEOUT must be a number of seconds" in output
        assert error.startswith("Unhealthy: OCTANIST_TIMEOUT must be")
        assert output.count("OCTANIST_TIMEOUT must be") == 1
        assert "default: a setting is wrong\n" in output
        assert "delivering" not in output

    @override_settings(OCTANIST_APIKEY="test-key")
    def test_a_setting_that_does_not_exist(self) -> None:
        output, error = status()
        assert error == "Unhealthy: There is no setting OCTANIST_APIKEY. Did you mean OCTANIST_API_KEY?"
        assert "default: delivering\n" in output

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("OCTANIST_API_URL", "http://example.com/api"),
            ("OCTANIST_PIXEL_ID", "OCT"),
            ("OCTANIST_DISPATCH", "tests.nowhere.dispatch"),
            ("OCTANIST_CONSENT_READERS", ["tests.nowhere.reader"]),
            pytest.param(
                *("OCTANIST_DISPATCH", "tasks"),
                marks=pytest.mark.skipif(django.VERSION >= (6, 0), reason="Django has tasks itself"),
            ),
        ],
    )
    def test_whatever_check_calls_an_error_of_settings(self, name: str, value: Any) -> None:
        with override_settings(**{name: value}):
            assert name in status()[1]

    @override_settings(OCTANIST_APIKEY="test-key", SILENCED_SYSTEM_CHECKS=["octanist.E001"])
    def test_but_not_what_the_site_silences(self) -> None:
        assert status()[1] == ""

    @override_settings(OCTANIST_TIMEOUT="soon", OCTANIST_BATCH_SIZE=0, OCTANIST_APIKEY="test-key")
    def test_several_wrong_settings(self) -> None:
        """What to do about them is said once, and standard error is one line."""
        lead(status=S.FAILED)
        output, error = status()
        assert [name in output for name in ("OCTANIST_TIMEOUT", "OCTANIST_BATCH_SIZE", "OCTANIST_APIKEY")] == [True] * 3
        assert output.count("Set it right and restart the site") == 1
        assert "octanist_replay" in output
        assert error.startswith("Unhealthy: OCTANIST_BATCH_SIZE must be")
        assert error.endswith(" And 3 more.")
        assert "OCTANIST_TIMEOUT" not in error

    @override_settings(OCTANIST_API_KEY="", OCTANIST_TIMEOUT="soon")
    def test_a_wrong_setting_beside_another_reason(self) -> None:
        lead()
        assert "default: no API key\n" in status()[0]

    def test_in_english_whatever_the_site_speaks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        spoken: list[str | None] = []
        read = figures.read
        monkeypatch.setattr(figures, "read", lambda fresh: spoken.append(get_language()) or read(fresh=fresh))
        with override_language("de"):
            status()
        assert spoken == [None]

    def test_without_time_zones(self) -> None:
        with override_settings(USE_TZ=False):
            paused()
            lead(minutes=90)
            assert "the oldest for 90 min" in status()[0]
            assert document()["accounts"][0]["oldest_pending_at"].startswith("20")


class TestJson:
    def test_its_keys(self) -> None:
        lose_the_pixel()
        paused()
        lead(minutes=12)
        found = document()
        assert list(found) == ["healthy", "error", "taken_at", "accounts", "forms", "problems"]
        assert (found["healthy"], found["error"]) == (False, None)
        (account,) = found["accounts"]
        assert list(account) == [
            *("account", "state", "pause", "pending", "oldest_pending_at", "oldest_pending_seconds"),
            *("failed_lately", "spans"),
        ]
        assert (account["state"], account["pending"], account["failed_lately"]) == ("paused", 1, 0)
        assert 719 <= account["oldest_pending_seconds"] <= 730
        assert list(account["pause"]) == ["reason", "since", "next_try_at", "failed_tries"]
        assert list(account["spans"]) == ["24h", "7d", "30d"]
        day = account["spans"]["24h"]
        assert list(day) == ["captured", *S.values, "success_rate", "median_seconds", "p95_seconds"]
        assert (day["captured"], day["delivered"], day["success_rate"]) == (11, 10, 1.0)
        assert 0.8 < day["median_seconds"] < 1.25
        form = found["forms"][0]
        assert list(form) == [
            *("form", "account", "captured", "linked", "linked_lately", "linked_before"),
            *("without_consent", "lost_pixel", "never_linked"),
        ]
        assert (form["form"], form["captured"], form["linked"], form["lost_pixel"]) == ("contact", 100, 0.9, True)
        first, second = found["problems"]
        assert list(first) == ["kind", "grave", "account", "form", "leads", "text", "advice"]
        assert (first["kind"], first["grave"], first["account"], first["leads"]) == ("paused", True, "default", 1)
        assert (second["kind"], second["grave"], second["form"]) == ("lost_pixel", False, "contact")

    def test_all_is_well(self) -> None:
        found = document()
        assert found["healthy"] is True
        assert found["accounts"][0]["state"] == "delivering"
        assert found["accounts"][0]["pause"] is None
        assert found["problems"] == []
        with override_settings(OCTANIST_TIMEOUT="soon"):
            assert document()["accounts"][0]["state"] == "wrong_setting"
        assert timezone.datetime.fromisoformat(found["taken_at"]).tzinfo is not None

    @override_settings(OCTANIST_API_KEYS={"shop": "k"})
    def test_of_one_account(self) -> None:
        lead(account="shop", status=S.FAILED)
        lead()
        assert [one["account"] for one in document()["accounts"]] == ["default", "shop"]
        found = document(account=["default"])
        assert [one["account"] for one in found["accounts"]] == ["default"]
        assert [form["account"] for form in found["forms"]] == ["default"]
        assert found["healthy"] is True

    @override_settings(OCTANIST_API_KEYS={"shop": "k"})
    def test_of_an_account_that_does_not_exist(self) -> None:
        with pytest.raises(CommandError, match="no account 'shpo', must be one of: default, shop") as raised:
            call_command("octanist_status", account=["shpo"], stdout=StringIO())
        assert raised.value.returncode == 2


LINE = re.compile(r'([a-z_0-9]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (-?[0-9.e+]+)')


def samples(text: str) -> dict[str, dict[str, float]]:
    """Read the format as Prometheus does: every sample below the TYPE of its metric, each metric once."""
    found: dict[str, dict[str, float]] = {}
    for line in text.splitlines():
        kind = re.fullmatch(r"# (HELP|TYPE) ([a-z_0-9]+) (.+)", line)
        if kind and kind[1] == "HELP":
            assert kind[2] not in found
        elif kind:
            assert kind[3] == "gauge"
            found[kind[2]] = {}
        else:
            sample = LINE.fullmatch(line)
            assert sample, line
            assert sample[1] == list(found)[-1]
            found[sample[1]][sample[2] or ""] = float(sample[3])
    return found


class TestPrometheus:
    def test_gauges(self) -> None:
        lose_the_pixel()
        paused(R.OUTAGE)
        lead(minutes=12)
        lead(status=S.INVALID)
        output, error = status(prometheus=True)
        assert error.startswith("Unhealthy: ")
        assert output.endswith("\n")
        found = samples(output)
        default = 'account="default"'
        assert found["octanist_healthy"] == {"": 0}
        assert found["octanist_leads_pending"] == {default: 1}
        assert 719 <= found["octanist_oldest_pending_seconds"][default] <= 730
        assert found["octanist_paused"] == {
            f'{default},reason="{reason}"': float(reason == R.OUTAGE) for reason in R.values
        }
        assert found["octanist_api_key_missing"] == {default: 0}
        assert found["octanist_leads_24h"] == {
            f'{default},status="{kind}"': {"pending": 1, "delivered": 10, "invalid": 1}.get(kind, 0)
            for kind in S.values
        }
        assert found["octanist_failed_24h"] == {default: 1}
        assert set(found["octanist_delivery_seconds"]) == {f'{default},quantile="{share}"' for share in ("0.5", "0.95")}
        assert found["octanist_form_lost_pixel"][f'{default},form="contact"'] == 1
        assert found["octanist_form_linked_ratio"][f'{default},form="contact"'] == 0.9

    def test_all_is_well(self) -> None:
        found = samples(status(prometheus=True)[0])
        assert found["octanist_healthy"] == {"": 1}
        assert "octanist_delivery_seconds" not in found
        assert "octanist_form_lost_pixel" not in found

    def test_labels_are_escaped(self) -> None:
        lead(form='quote "A"\\new\nline')
        output, _error = status(prometheus=True)
        assert r'form="quote \"A\"\\new\nline"' in output
        samples(output)

    def test_large_numbers_are_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        taken = figures.read()
        many = [vars(one) | {"pending": 1_234_567} for one in taken.accounts]
        large = figures.Figures(
            taken_at=taken.taken_at, accounts=tuple(figures.AccountFigures(**one) for one in many), forms=()
        )
        monkeypatch.setattr(figures, "read", lambda fresh: large)
        assert "} 1234567\n" in status(prometheus=True)[0]


def test_it_changes_nothing_and_asks_little(django_assert_max_num_queries: Callable[[int], Any]) -> None:
    lead()
    with django_assert_max_num_queries(6) as made:
        status()
    assert all(query["sql"].startswith("SELECT") for query in made.captured_queries)


def test_what_it_says_is_of_now() -> None:
    assert document()["accounts"][0]["pending"] == 0
    lead()
    assert document()["accounts"][0]["pending"] == 1


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.05, "0.1 s"),
        (9.9, "9.9 s"),
        (42.4, "42 s"),
        (720, "12 min"),
        (12_600, "3.5 h"),
        (345_600, "4 days"),
    ],
)
def test_spans_of_time(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


class TestAsAProcess:
    """As cron starts it: by exit code, standard output and standard error."""

    def run(self, *arguments: str, url: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        command = [sys.executable, "-m", "django", "octanist_status", *arguments]
        return subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )

    @pytest.mark.parametrize("url", ["sqlite:////no/such/folder/db.sqlite3", "sqlite:///:memory:"])
    def test_a_database_that_does_not_answer(self, url: str) -> None:
        people = self.run(url=url)
        assert (people.returncode, people.stdout) == (1, "")
        assert people.stderr.startswith("CommandError: The database does not answer: OperationalError: ")
        assert "Traceback" not in people.stderr
        found = json.loads(self.run("--json", url=url).stdout)
        assert (found["healthy"], found["accounts"]) == (False, [])
        assert found["error"].startswith("OperationalError")
        prometheus = self.run("--prometheus", url=url)
        assert prometheus.returncode == 1
        assert samples(prometheus.stdout) == {"octanist_healthy": {"": 0}}

    def test_exit_codes(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'db.sqlite3'}"
        script = "import django; django.setup(); from django.core.management import call_command as call"
        script += "; call('migrate', verbosity=0)"
        environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        subprocess.run([sys.executable, "-c", script], env=environment, cwd=ROOT, check=True, timeout=60)
        well = self.run("--json", url=url)
        assert (well.returncode, well.stderr, json.loads(well.stdout)["healthy"]) == (0, "", True)
        wrong = self.run("--account", "nobody", url=url)
        assert (wrong.returncode, wrong.stdout) == (2, "")
        insert = (
            f"{script}; from django_octanist.models import Lead; Lead.objects.create(account='gone', email='a@b.c')"
        )
        subprocess.run([sys.executable, "-c", insert], env=environment, cwd=ROOT, check=True, timeout=60)
        ill = self.run("--json", url=url)
        assert ill.returncode == 1
        assert json.loads(ill.stdout)["problems"][0]["kind"] == "no_key"
        assert ill.stderr == "CommandError: Unhealthy: Account gone has no API key; 1 lead waits.\n"
        assert self.run("--json", "--prometheus", url=url).returncode == 2
