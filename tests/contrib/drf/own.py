"""Views and serializers that create in ways of their own."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.urls import include, path
from rest_framework import generics, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from django_octanist.contrib.drf import OctanistCreateMixin
from django_octanist.models import Lead
from tests.site.models import Quote


class RowSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    class Meta:
        model = Quote
        fields = ["full_name", "email", "roof"]


class Rows(OctanistCreateMixin, viewsets.ModelViewSet):  # type: ignore[type-arg]
    queryset = Quote.objects.order_by("pk")
    serializer_class: Any = RowSerializer
    octanist_form = "contact"


class SavesItself(Rows):
    def perform_create(self, serializer: Any) -> None:
        serializer.save(roof="flat")


class AnswersItself(SavesItself):
    """Its own ``create`` and its own ``perform_create``, neither of which calls the mixin's."""

    def create(self, request: Request, *arguments: Any, **named: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        self.perform_create(serializer)
        return Response({"leads": Lead.objects.count()}, status=201)


class BuildsItself(SavesItself):
    def get_serializer(self, *arguments: Any, **named: Any) -> Any:
        return RowSerializer(*arguments, **named)


class BuildsAnother(Rows):
    """It looks at something else, by another serializer, once the row is saved."""

    octanist_fields = {"note": "roof"}
    is_saved = False

    def get_serializer_class(self) -> Any:
        return ChangeSerializer if self.is_saved else RowSerializer

    def perform_create(self, serializer: Any) -> None:
        serializer.save()
        self.is_saved = True
        other = self.get_serializer(data={"email": "other@example.com"})
        other.is_valid(raise_exception=True)


class InATransaction(AnswersItself):
    @transaction.atomic
    def create(self, request: Request, *arguments: Any, **named: Any) -> Response:
        response = super().create(request, *arguments, **named)
        if request.data["roof"] == "none":
            raise APIException("no roof")
        return response


class OneByOne(SavesItself):
    def create(self, request: Request, *arguments: Any, **named: Any) -> Response:
        for row in request.data:
            serializer = self.get_serializer(data=row)
            serializer.is_valid(raise_exception=True)
            self.perform_create(serializer)
        return Response(status=201)


class CapturesItself(Rows):
    def perform_create(self, serializer: Any) -> None:
        super().perform_create(serializer)
        self.octanist_form = "own"
        self.capture_lead(serializer)
        self.octanist_form = "again"


class Returns(generics.CreateAPIView):  # type: ignore[type-arg]
    """A package's view, whose ``perform_create`` is given more and returns what it made."""

    serializer_class = RowSerializer

    def create(self, request: Request, *arguments: Any, **named: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response({"made": self.perform_create(serializer, "flat", at="once").pk}, status=201)

    def perform_create(self, serializer: Any, roof: str, *, at: str) -> Quote:  # type: ignore[override]
        made: Quote = serializer.save(roof=roof)
        return made


class OfAPackage(OctanistCreateMixin, Returns):
    octanist_form = "contact"


class Unfollowed(generics.CreateAPIView):  # type: ignore[type-arg]
    """A package's view without a ``perform_create``, that answers as it is told."""

    serializer_class = RowSerializer

    def create(self, request: Request, *arguments: Any, **named: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        if "keep" in request.query_params:
            serializer.save()
            self.get_serializer(data={"full_name": "No", "email": "no@example.com"}).is_valid()
        self.get_serializer(data={"full_name": "No", "email": "no"}).is_valid()
        return Response(status=int(request.query_params.get("status", 201)))


class OfAnotherPackage(OctanistCreateMixin, Unfollowed):
    octanist_form = "contact"


class AnswersAsTold(SavesItself):
    """The row is saved; what the view answers then, the request says."""

    def create(self, request: Request, *arguments: Any, **named: Any) -> Response:
        response = super().create(request, *arguments, **named)
        if "raise" in request.query_params:
            raise APIException("no payment")
        return Response(response.data, status=int(request.query_params["status"]))

    def get_exception_handler(self) -> Any:
        return lambda error, context: Response({"success": False}, status=200)


class ContactSerializer(serializers.Serializer):  # type: ignore[type-arg]
    full_name = serializers.CharField()
    email = serializers.EmailField()


class GuestSerializer(serializers.Serializer):  # type: ignore[type-arg]
    nickname = serializers.CharField()


class PartySerializer(serializers.Serializer):  # type: ignore[type-arg]
    """It takes apart what is nested, as the framework's documentation of writable nested serializers does."""

    roof = serializers.CharField()
    contact = ContactSerializer()
    guests = GuestSerializer(many=True)
    extra = serializers.JSONField(required=False)

    def create(self, validated_data: dict[str, Any]) -> Quote:
        contact, guests = validated_data.pop("contact"), validated_data["guests"]
        while guests:
            guests.pop().pop("nickname")
        return Quote.objects.create(full_name=contact.pop("full_name"), email=contact.pop("email"), roof="flat")

    def update(self, instance: Any, validated_data: dict[str, Any]) -> Any:
        return instance

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return {}


class Parties(OctanistCreateMixin, generics.CreateAPIView):  # type: ignore[type-arg]
    serializer_class = PartySerializer
    octanist_form = "contact"
    octanist_fields = {"name": "contact__full_name"}
    is_many = False

    def get_serializer(self, *arguments: Any, **named: Any) -> Any:
        return super().get_serializer(*arguments, many=self.is_many, **named)


class PartiesByHand(Parties):
    def create(self, request: Request, *arguments: Any, **named: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        self.capture_lead(serializer)
        return Response(status=201)


class PartiesWithoutSave(Parties):
    def perform_create(self, serializer: Any) -> None:
        serializer.create({**serializer.validated_data})


class PartiesUnnamed(Parties):
    """What the view itself takes out before it saves is not captured."""

    def perform_create(self, serializer: Any) -> None:
        serializer.validated_data["contact"]["email"] = "alias@example.com"
        serializer.validated_data.pop("roof")
        serializer.save()


class PartiesSavedTwice(PartiesUnnamed):
    def get_serializer(self, *arguments: Any, **named: Any) -> Any:
        return PartySerializer(*arguments, **named)

    def perform_create(self, serializer: Any) -> None:
        super().perform_create(serializer)
        serializer.save(roof="tiled")


class MobileSerializer(serializers.Serializer):  # type: ignore[type-arg]
    email = serializers.EmailField()
    mobile = serializers.CharField(required=False)
    who = ContactSerializer(required=False)

    def create(self, validated_data: dict[str, Any]) -> dict[str, Any]:
        return validated_data

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return {}


class ChangeSerializer(RowSerializer):
    class Meta(RowSerializer.Meta):
        fields = ["email"]


class ByAction(Rows):
    """Only ``create`` has the field that is mapped."""

    octanist_fields = {"phone": "mobile", "name": ("who__full_name",)}
    octanist_exclude = ("who",)

    def get_serializer_class(self) -> Any:
        return MobileSerializer if self.action == "create" else ChangeSerializer

    @action(detail=False, methods=["post"])
    def ask(self, request: Request) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        self.capture_lead(serializer)
        return Response(status=200)


class WrongByAction(ByAction):
    octanist_fields = {"phone": "mobil"}


class WrongByHand(WrongByAction):
    """The view makes its serializer itself, so that it is seen when it is saved."""

    def get_serializer(self, *arguments: Any, **named: Any) -> Any:
        return MobileSerializer(*arguments, **named)


class DropsField(ByAction):
    """The view drops a field of the serializer."""

    def get_serializer(self, *arguments: Any, **named: Any) -> Any:
        serializer = MobileSerializer(*arguments, **named)
        serializer.fields.pop("mobile")
        return serializer


class DynamicSerializer(MobileSerializer):
    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        if "drop" in self.context["request"].query_params:
            fields.pop("mobile")
            fields.pop("who")
        if "add" in self.context["request"].query_params:
            fields["cell"] = serializers.CharField()
        return fields


class DropsFields(ByAction):
    def get_serializer_class(self) -> Any:
        return DynamicSerializer


class AddsFields(DropsFields):
    octanist_fields = {"phone": "cell"}
    octanist_exclude = ()


class WrongWithDynamic(DropsFields):
    octanist_fields = {"telephone": "mobile"}


class SecretSerializer(serializers.Serializer):  # type: ignore[type-arg]
    email = serializers.EmailField()
    info = serializers.CharField(source="password")
    level = serializers.CharField(source="user.api_key")
    more = GuestSerializer(source="secret")
    lots = GuestSerializer(source="passwords", many=True)
    some = serializers.ListField(source="profile.tags")

    def create(self, validated_data: dict[str, Any]) -> dict[str, Any]:
        return validated_data

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return {}


class Secrets(Rows):
    serializer_class = SecretSerializer


router = SimpleRouter()
for view in (
    *(SavesItself, AnswersItself, BuildsItself, BuildsAnother, InATransaction, OneByOne, CapturesItself),
    *(AnswersAsTold, ByAction, WrongByAction, WrongByHand, DropsField, DropsFields, AddsFields, WrongWithDynamic),
    Secrets,
):
    router.register(view.__name__, view, basename=view.__name__)

urlpatterns = [
    path("OfAPackage/", OfAPackage.as_view()),
    path("OfAnotherPackage/", OfAnotherPackage.as_view()),
    path("Parties/", Parties.as_view()),
    path("PartiesByHand/", PartiesByHand.as_view()),
    path("PartiesWithoutSave/", PartiesWithoutSave.as_view()),
    path("PartiesUnnamed/", PartiesUnnamed.as_view()),
    path("PartiesSavedTwice/", PartiesSavedTwice.as_view()),
    path("ManyParties/", Parties.as_view(is_many=True)),
    path("", include(router.urls)),
]
