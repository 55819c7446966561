"""APIs of a site with Django REST framework."""

from __future__ import annotations

from typing import Any

from django.urls import include, path
from rest_framework import generics, serializers, viewsets
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from django_octanist.capture import capture_lead
from django_octanist.contrib.drf import OctanistCreateMixin
from tests.site.models import Quote


class QuoteSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    class Meta:
        model = Quote
        fields = ["id", "full_name", "email", "roof"]


class PersonSerializer(serializers.Serializer):  # type: ignore[type-arg]
    full_name = serializers.CharField()
    address = serializers.EmailField(source="mailbox")
    unlock = serializers.CharField(style={"input_type": "password"}, write_only=True, required=False)


class RoofSerializer(serializers.Serializer):  # type: ignore[type-arg]
    kind = serializers.CharField()
    gate = serializers.CharField(style={"input_type": "password"}, write_only=True, required=False)


class EnquirySerializer(serializers.Serializer):  # type: ignore[type-arg]
    who = PersonSerializer()
    roofs = RoofSerializer(many=True, required=False)
    birthday = serializers.DateField(required=False)
    password = serializers.CharField(write_only=True, required=False)
    site = serializers.HiddenField(default="internal")
    tags = serializers.ListField(child=serializers.CharField(), required=False)
    utm_source = serializers.CharField(required=False)

    def create(self, validated_data: dict[str, Any]) -> dict[str, Any]:
        return validated_data


class Quotes(OctanistCreateMixin, generics.CreateAPIView):  # type: ignore[type-arg]
    queryset = Quote.objects.all()
    serializer_class = QuoteSerializer
    octanist_form = "contact"


class QuoteSet(OctanistCreateMixin, viewsets.ModelViewSet):  # type: ignore[type-arg]
    queryset = Quote.objects.order_by("pk")
    serializer_class = QuoteSerializer
    octanist_form = "contact"


class OwnPerformCreate(Quotes):
    """As most sites write it: without super()."""

    def perform_create(self, serializer: Any) -> None:
        serializer.save(roof="flat")


class OwnCreate(Quotes):
    def create(self, request: Request, *arguments: Any, **named: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        self.perform_create(serializer)
        return Response(status=201)


class Many(Quotes):
    def get_serializer(self, *arguments: Any, **named: Any) -> Any:
        return super().get_serializer(*arguments, **{**named, "many": True})

    def get_octanist_data(self, serializer: Any) -> dict[str, Any]:
        return {**super().get_octanist_data(serializer), "note": f"row {serializer.instance.pk}"}


class Enquiries(OctanistCreateMixin, generics.CreateAPIView):  # type: ignore[type-arg]
    serializer_class = EnquirySerializer

    def perform_create(self, serializer: Any) -> None:
        self.capture_lead(serializer)

    def create(self, request: Request, *arguments: Any, **named: Any) -> Response:
        super().create(request, *arguments, **named)
        return Response(status=201)


class Mapped(Enquiries):
    octanist_form = "enquiry"
    octanist_fields = {"name": "who__address", "note": "tags"}
    octanist_exclude = ("birthday", "roofs")


class ExcludesAPerson(Enquiries):
    octanist_exclude = ["who"]


class Wrong(Enquiries):
    octanist_fields = {"email": "who__adress"}


class Plain(APIView):
    """What is posted, as it is."""

    def post(self, request: Request) -> Response:
        capture_lead(request.data, request=request, form="contact")
        return Response({"done": True}, status=201)


class Checked(APIView):
    """What a serializer let through: the session id is in the body only."""

    def post(self, request: Request) -> Response:
        serializer = QuoteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        capture_lead(serializer.validated_data, request=request, form="contact")
        return Response(serializer.data, status=201)


class Unread(APIView):
    """A body that no parser of the view's can read."""

    parser_classes = [JSONParser]

    def post(self, request: Request) -> Response:
        capture_lead({"email": "jo@example.com"}, request=request, form="contact")
        return Response(status=201)


router = SimpleRouter()
router.register("quote-set", QuoteSet)

urlpatterns = [
    path("quotes/", Quotes.as_view()),
    path("own-perform-create/", OwnPerformCreate.as_view()),
    path("own-create/", OwnCreate.as_view()),
    path("many/", Many.as_view()),
    path("enquiries/", Enquiries.as_view()),
    path("mapped/", Mapped.as_view()),
    path("excludes/", ExcludesAPerson.as_view()),
    path("wrong/", Wrong.as_view()),
    path("plain/", Plain.as_view()),
    path("checked/", Checked.as_view()),
    path("unread/", Unread.as_view()),
    path("own/", include("tests.contrib.drf.own")),
    path("", include(router.urls)),
]
