"""A site that serves the pixel itself: a page with it and a form, and what the form sent."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import RequestContext, Template
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Site</title>
{% load octanist %}{% octanist_pixel %}</head><body>
<form method="post" action="/sent/"><input name="email" value="jo@example.com"><button>Send</button></form>
</body></html>"""


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Template(PAGE).render(RequestContext(request)))


@csrf_exempt
def sent(request: HttpRequest) -> JsonResponse:
    return JsonResponse(request.POST.dict())


async def quick(request: HttpRequest) -> HttpResponse:
    return HttpResponse("quick")


urlpatterns = [
    path("", page),
    path("sent/", sent),
    path("quick/", quick),
    path("oct/", include("django_octanist.proxy.urls")),
]
