"""Leads and the attempts to deliver them.

The querysets say what may happen to a lead, as conditional updates that are safe against whatever workers do meanwhile.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .. import clock
from ..conf import conf
from ..payload import LeadData, build_payload
from ..vocabulary import BY_NAME, SOURCE_LENGTH

UNCERTAIN_SECONDS = 30
"""Seconds that an uncertain lead waits at least before Octanist is asked for it."""
HELD_CODE = "UNCERTAIN"
"""The ``error_code`` of a lead that failed because only a person can tell whether Octanist has it."""
DUPLICATE_CODE = "DUPLICATE"
"""The ``error_code`` of a lead that was cancelled because another one, captured at the same moment, says the same."""


class LeadQuerySet(models.QuerySet["Lead"]):
    """Leads by what is to be done with them."""

    def due(self, *, now: datetime) -> LeadQuerySet:
        """Leads whose time has come, of accounts paused or not. A lease that ran out makes a lead due again."""
        return self.filter(status=Lead.Status.PENDING, next_attempt_at__lte=now)

    def waiting(self) -> LeadQuerySet:
        """Leads that are not finished: due, due later, or being sent."""
        return self.filter(status=Lead.Status.PENDING)

    def replayable(self) -> LeadQuerySet:
        """Leads that may be sent again by hand: neither delivered, nor being sent, nor erased, nor another's double."""
        return self.exclude(status=Lead.Status.DELIVERED).exclude(_DOUBLE).filter(lease=None, erased_at=None)

    def doubles(self) -> LeadQuerySet:
        """Leads that were cancelled because another one says the same."""
        return self.filter(_DOUBLE)

    def cancellable(self) -> LeadQuerySet:
        """Leads that may be cancelled: pending, and not being sent (or by somebody whose lease ran out)."""
        return self.waiting()._in_nobodys_hands()

    def correctable(self) -> LeadQuerySet:
        """Leads whose contact may be corrected: Octanist refused what they say. Not being sent, and not erased."""
        return self.replayable().filter(status=Lead.Status.INVALID)

    def of_person(self, email: str) -> LeadQuerySet:
        """Leads with the address ``email``, in whatever letter case.

        They are read to compare the addresses here: MariaDB takes ``é`` for ``e``, and SQLite knows ASCII's letters
        only, so that beyond these it finds an address as it is typed, all small, or all in capitals.
        """
        asked = email.strip()
        spellings = sorted({asked, asked.lower(), asked.upper()})
        alike = self.filter(email_lower__in=[Lower(Value(spelling)) for spelling in spellings])
        found = alike.order_by().values_list("pk", "email").iterator()
        others = [key for key, address in found if address.strip().lower() != asked.lower()]
        return alike.exclude(pk__in=others) if others else alike

    def erasable(self) -> LeadQuerySet:
        """Leads that may be erased: those that hold something still, and are not being sent."""
        return self.filter(erased_at=None)._in_nobodys_hands()

    def finished_before(self, moment: datetime) -> LeadQuerySet:
        """Leads captured before ``moment`` with which nothing happens any more. Never a pending one."""
        return self.exclude(status=Lead.Status.PENDING).filter(created_at__lt=moment)

    def _in_nobodys_hands(self) -> LeadQuerySet:
        return self.filter(Q(lease=None) | Q(next_attempt_at__lte=clock.now(using=self.db)))

    def replay(self) -> int:
        """Make replayable leads due, with all their attempts before them. Return how many.

        An uncertain lead waits :data:`UNCERTAIN_SECONDS` more, so that Octanist's list may show it. Where a lead was
        held for a person, or uncertain leads are, that person has decided now, and the lead is sent.
        """
        return self.replayable().update(**self._due_again())

    def correct(self, *, name: str, email: str, phone: str, note: str) -> int:
        """Give correctable leads this contact, cleaned as ``capture`` does, and make them due. Return how many."""
        return self.correctable().update(**self._due_again(), name=name, email=email, phone=phone, note=note)

    def _due_again(self) -> dict[str, Any]:
        now = clock.now(using=self.db)
        decided = Q(status=Lead.Status.FAILED, error_code=HELD_CODE)
        if conf.when_uncertain == "hold":
            decided |= Q(uncertain=True)
        later = When(Q(uncertain=True) & ~decided, then=Value(clock.after(now, timedelta(seconds=UNCERTAIN_SECONDS))))
        # MySQL assigns from left to right: first what depends on the others.
        return {
            "next_attempt_at": Case(later, default=Value(now)),
            "uncertain": Case(When(decided, then=Value(False)), default=F("uncertain")),
            "status": Lead.Status.PENDING,
            "attempts": 0,
            "error_code": "",
            "error": "",
        }

    def cancel(self) -> int:
        """Stop cancellable leads for good (they can be replayed). Return how many.

        Who sends the same again is not told that it is there already. A lead whose lease ran out may be at Octanist.
        """
        # MySQL assigns from left to right: first what depends on the others.
        return self.cancellable().update(
            uncertain=Case(When(lease__isnull=False, then=Value(True)), default=F("uncertain")),
            status=Lead.Status.CANCELLED,
            next_attempt_at=None,
            lease=None,
            dedupe_key=None,
        )

    def erase(self) -> int:
        """Remove what erasable leads and their attempts say of a person, for good. Return how many.

        What is counted stays: form, account, status, times, consent, and Octanist's own ids, by which the lead can be
        removed there, too. A pending lead is cancelled: it is not sent any more.
        """
        pending = When(status=Lead.Status.PENDING, then=Value(Lead.Status.CANCELLED))
        with transaction.atomic(using=self.db):
            keys = list(self.erasable().values_list("pk", flat=True))
            erased = Lead.objects.using(self.db).filter(pk__in=keys).erasable()
            number = erased.update(
                **_NOTHING_PERSONAL,
                status=Case(pending, default=F("status")),
                next_attempt_at=None,
                lease=None,
                erased_at=clock.now(using=self.db),
            )
            gone = DeliveryAttempt.objects.using(self.db).filter(lead__in=keys, lead__erased_at__isnull=False)
            gone.update(error="")
        return number


_DOUBLE = Q(status="cancelled", error_code=DUPLICATE_CODE)
_NOTHING_PERSONAL: dict[str, Any] = dict.fromkeys(
    ("name", "email", "phone", "note", "session_id", "source", "error"), ""
)
_NOTHING_PERSONAL |= {"custom": {}, "attribution": {}, "dedupe_key": None}


class Lead(models.Model):
    """A submission, from its capture to its outcome."""

    class Status(models.TextChoices):
        # Due now or later, or being sent (then `lease` is set).
        PENDING = "pending", _("pending")
        # Octanist has it, as `octanist_id`.
        DELIVERED = "delivered", _("delivered")
        # Octanist's filtering rules turned it away (403): final, not a failure.
        REJECTED = "rejected", _("rejected")
        # Octanist refused the data (400): a person must look.
        INVALID = "invalid", _("invalid")
        # Gave up after OCTANIST_MAX_ATTEMPTS: can be replayed.
        FAILED = "failed", _("failed")
        # An operator stopped it.
        CANCELLED = "cancelled", _("cancelled")

    class Linked(models.TextChoices):
        YES = "yes", _("linked")
        NO = "no", _("not linked")
        # There was a session id, but none that can be one, or Octanist refused it.
        REFUSED = "refused", _("not linked: the session ID was refused")

    submission_id = models.UUIDField(_("submission ID"), default=uuid.uuid4, unique=True, editable=False)
    account = models.CharField(_("account"), max_length=100, default="default")
    form = models.CharField(_("form"), max_length=200, blank=True)

    name = models.CharField(_("name"), max_length=BY_NAME["name"].max_length, blank=True)
    email = models.CharField(_("e-mail"), max_length=BY_NAME["email"].max_length, blank=True)
    # By which leads of a person are found, whatever the database's rules for letter case.
    email_lower = models.GeneratedField(
        expression=Lower("email"),
        output_field=models.CharField(max_length=BY_NAME["email"].max_length),
        db_persist=True,
    )
    phone = models.CharField(_("phone"), max_length=BY_NAME["phone"].max_length, blank=True)
    note = models.TextField(_("note"), blank=True)
    custom = models.JSONField(_("custom fields"), default=dict, blank=True)

    session_id = models.CharField(_("session ID"), max_length=BY_NAME["sessionId"].max_length, blank=True)
    # Of its own, since it is counted after the session id is erased.
    linked = models.CharField(
        _("pixel session"), max_length=8, choices=Linked.choices, default=Linked.NO, db_default=Linked.NO
    )
    attribution = models.JSONField(_("attribution"), default=dict, blank=True)
    # In one word (see `attribution.source`), for the admin to show and filter by.
    source = models.CharField(_("source"), max_length=SOURCE_LENGTH, blank=True, default="", db_default="")
    consent = models.JSONField(_("consent"), default=dict, blank=True)
    sources = models.JSONField(_("sources"), default=dict, blank=True)

    status = models.CharField(_("status"), max_length=16, choices=Status.choices, default=Status.PENDING)
    attempts = models.PositiveIntegerField(
        _("attempts"), default=0, help_text=_("Those that count towards OCTANIST_MAX_ATTEMPTS.")
    )
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True, default=timezone.now)
    lease = models.UUIDField(_("lease"), null=True, blank=True, editable=False)
    uncertain = models.BooleanField(
        _("uncertain"), default=False, help_text=_("Yes: an answer was lost, and Octanist may have the lead.")
    )
    # Unique where it is set, so that two requests at once cannot both capture the same submission.
    dedupe_key = models.CharField(max_length=64, null=True, blank=True, unique=True, editable=False)

    octanist_id = models.CharField(_("Octanist ID"), max_length=100, blank=True)
    request_id = models.CharField(_("request ID"), max_length=100, blank=True)
    error_code = models.CharField(_("error code"), max_length=100, blank=True)
    error = models.TextField(_("last error"), blank=True)
    created_at = models.DateTimeField(_("captured"), default=timezone.now, editable=False)
    delivered_at = models.DateTimeField(_("delivered"), null=True, blank=True)
    erased_at = models.DateTimeField(
        _("erased"), null=True, blank=True, editable=False, help_text=_("When what it said of a person was removed.")
    )

    objects = LeadQuerySet.as_manager()

    class Meta:
        verbose_name = _("lead")
        verbose_name_plural = _("leads")
        ordering = ["-id"]
        indexes = [
            # The one index that the engine needs: what is due, by account.
            models.Index(fields=["account", "next_attempt_at"], name="octanist_lead_due"),
            # Those that the admin needs, to find something among a million leads without looking at all of them.
            models.Index(fields=["created_at"], name="octanist_lead_created"),
            models.Index(fields=["status", "id"], name="octanist_lead_status"),
            models.Index(fields=["form", "id"], name="octanist_lead_form"),
            models.Index(fields=["account", "id"], name="octanist_lead_account"),
            models.Index(fields=["source", "id"], name="octanist_lead_source"),
            models.Index(fields=["linked", "id"], name="octanist_lead_linked"),
            models.Index(fields=["email_lower"], name="octanist_lead_email", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["octanist_id"], name="octanist_lead_octanist"),
            models.Index(fields=["request_id"], name="octanist_lead_request"),
        ]
        permissions = [
            ("replay_lead", _("Can send leads again, cancel them and let deliveries go on")),
            ("erase_lead", _("Can erase what leads say of a person")),
            ("view_lead_personal_data", _("Can see contacts and texts of leads, not only masks")),
        ]

    def __str__(self) -> str:
        # No personal data: this stands in logs, in messages and in the admin's history.
        return f"lead {self.pk} ({self.form})" if self.form else f"lead {self.pk}"

    @property
    def data(self) -> LeadData:
        """What the lead says, for the payload."""
        return LeadData(
            submission_id=self.submission_id,
            form=self.form,
            name=self.name,
            email=self.email,
            phone=self.phone,
            note=self.note,
            custom=self.custom,
            session_id=self.session_id,
            attribution=self.attribution,
            consent=self.consent,
        )

    def payload(self, *, with_session: bool = True) -> dict[str, Any]:
        """Return the exact JSON body that is sent. Raises ``InvalidLeadError`` where there is nothing to send."""
        return build_payload(self.data, with_session=with_session)

    @property
    def search_term(self) -> str:
        """What Octanist is asked for when looking the lead up: e-mail, else phone, else name, else ``""``."""
        return self.email or self.phone or self.name


class DeliveryAttempt(models.Model):
    """One request for one lead, and what came of it."""

    class Outcome(models.TextChoices):
        DELIVERED = "delivered", _("delivered")
        # The answer to an earlier attempt was lost; Octanist was asked, and has the lead.
        FOUND = "found", _("found at Octanist")
        REJECTED = "rejected", _("rejected")
        INVALID = "invalid", _("invalid")
        # A 400 with a session: sent again at once without it.
        SESSION_REFUSED = "session_refused", _("session refused")
        UNAUTHORIZED = "unauthorized", _("key refused")
        ENDPOINT = "endpoint", _("not the API")
        RATE_LIMITED = "rate_limited", _("rate limited")
        # 408, 425: asked to come later.
        LATER = "later", _("later")
        # Never connected: nothing was created.
        UNREACHABLE = "unreachable", _("unreachable")
        # The request left, and no answer says what became of it.
        UNCERTAIN = "uncertain", _("uncertain")

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="delivery_attempts", verbose_name=_("lead"))
    # The lead's, so that the latest attempts of an account are found without looking at leads.
    account = models.CharField(_("account"), max_length=100, default="default")
    started_at = models.DateTimeField(_("started"))
    duration_ms = models.PositiveIntegerField(_("duration (ms)"))
    outcome = models.CharField(_("outcome"), max_length=20, choices=Outcome.choices)
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    error_code = models.CharField(_("error code"), max_length=100, blank=True)
    error = models.TextField(_("error"), blank=True)
    request_id = models.CharField(_("request ID"), max_length=100, blank=True)
    with_session = models.BooleanField(_("with session"), default=False)

    class Meta:
        verbose_name = _("delivery attempt")
        verbose_name_plural = _("delivery attempts")
        ordering = ["id"]
        indexes = [
            models.Index(fields=["account", "id"], name="octanist_attempt_latest"),
            # The admin finds a lead by any attempt's.
            models.Index(fields=["request_id"], name="octanist_attempt_request"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} ({self.http_status or '-'})"
