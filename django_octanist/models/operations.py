"""What is said of many leads at once: paused accounts, an operator's acts in bulk, what was alerted."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class DeliveryPause(models.Model):
    """An account whose deliveries wait. Its leads wait too, and nothing is lost."""

    class Reason(models.TextChoices):
        # The key is refused (401).
        UNAUTHORIZED = "unauthorized", _("API key refused")
        # Failures in a row, of whatever lead.
        OUTAGE = "outage", _("Octanist unavailable")
        # 429 asked to wait.
        RATE_LIMITED = "rate_limited", _("rate limited")
        # Something else than the API answers.
        ENDPOINT = "endpoint", _("not the API that answers")

    account = models.CharField(_("account"), max_length=100, unique=True)
    reason = models.CharField(_("reason"), max_length=16, choices=Reason.choices)
    since = models.DateTimeField(_("since"), default=timezone.now)
    # When one lead, the probe, may be sent to see whether it works again.
    probe_at = models.DateTimeField(_("next try"))
    failures = models.PositiveIntegerField(_("failed tries"), default=0)
    error = models.TextField(_("error"), blank=True)
    # A keyed hash of the API key that was in use: another key is worth trying at once.
    key_fingerprint = models.CharField(max_length=64, blank=True, editable=False)

    class Meta:
        verbose_name = _("delivery pause")
        verbose_name_plural = _("delivery pauses")

    def __str__(self) -> str:
        return f"{self.account}: {self.reason}"


class BulkAction(models.Model):
    """One act of an operator on many leads, done in batches beside their other work (see ``bulk``)."""

    class Kind(models.TextChoices):
        REPLAY = "replay", _("send again")
        CANCEL = "cancel", _("cancel")
        ERASE = "erase", _("erase personal data")

    class State(models.TextChoices):
        RUNNING = "running", _("running")
        FINISHED = "finished", _("finished")
        # An error, which says why; or nobody who works at it any more (see `beat_at`).
        STOPPED = "stopped", _("stopped")

    kind = models.CharField(_("action"), max_length=16, choices=Kind.choices)
    # The operator's key, as text: a site may do without django.contrib.auth, which only the admin needs.
    user_key = models.CharField(max_length=64, blank=True, editable=False)
    # The list's filter, as its address has it; emptied at the end, since it may hold what somebody searched for.
    query = models.TextField(blank=True, editable=False)
    state = models.CharField(_("state"), max_length=16, choices=State.choices, default=State.RUNNING)
    total = models.PositiveIntegerField(_("leads"), default=0, help_text=_("That matched the filter at the start."))
    touched = models.PositiveIntegerField(_("done"), default=0)
    left = models.PositiveIntegerField(_("left as they are"), default=0)
    # The key of the last lead that was looked at, and of the last one that there was at the start.
    after = models.PositiveBigIntegerField(default=0, editable=False)
    last = models.PositiveBigIntegerField(default=0, editable=False)
    error = models.TextField(_("error"), blank=True)
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    # Who works at it says so after each batch.
    beat_at = models.DateTimeField(_("last sign of life"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("bulk action")
        verbose_name_plural = _("bulk actions")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"


class AlertGroup(models.Model):
    """What operators are told together: when they were told last, and how much has come since (see ``alerts``)."""

    kind = models.CharField(max_length=32)
    account = models.CharField(_("account"), max_length=100)
    told_at = models.DateTimeField(null=True)
    waiting = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("alert group")
        verbose_name_plural = _("alert groups")
        constraints = [models.UniqueConstraint(fields=["kind", "account"], name="octanist_alert_group")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.account}"
