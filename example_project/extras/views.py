from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.generics import CreateAPIView

from django_octanist.contrib.drf import OctanistCreateMixin

POUNDS_PER_SQUARE_METRE = 95


class EstimateSerializer(serializers.Serializer):
    email = serializers.EmailField(write_only=True)
    area = serializers.IntegerField(min_value=1, max_value=5000)
    pounds = serializers.IntegerField(read_only=True)

    def create(self, validated_data: dict[str, Any]) -> dict[str, Any]:
        return {**validated_data, "pounds": validated_data["area"] * POUNDS_PER_SQUARE_METRE}


class EstimateView(OctanistCreateMixin, CreateAPIView):
    """What a new roof costs, more or less: for the firm's partners and for scripts."""

    octanist_form = "estimate"
    authentication_classes = ()
    serializer_class = EstimateSerializer
