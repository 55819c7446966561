"""A site's own strategy, through Celery: as the README has it."""

from __future__ import annotations

from celery import Celery, shared_task

from django_octanist.dispatch.turn import take_turn

app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")


@shared_task(ignore_result=True)
def deliver_leads() -> None:
    take_turn(lambda seconds: deliver_leads.apply_async(countdown=seconds))


def nudge(account: str) -> None:
    deliver_leads.delay()
