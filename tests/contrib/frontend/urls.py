"""An API that takes a form as JSON or as FormData."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from django_octanist.capture import capture_lead


@csrf_exempt
def contact(request: HttpRequest) -> JsonResponse:
    def data() -> Any:
        return json.loads(request.body) if request.content_type == "application/json" else request.POST

    capture_lead(data, request=request, form="contact")
    return JsonResponse({"done": True})


urlpatterns = [path("api/contact/", contact)]
