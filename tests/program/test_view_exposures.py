"""Who asks for a page, or a list, is the route that shows it."""

from pathlib import Path

from perfaudit.audit import audit
from perfaudit.config import Settings

SHOP = """
from django.db import models
from rest_framework import routers, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.response import Response

class Kiln(models.Model):
    name = models.CharField(max_length=50)

class Tile(models.Model):
    kiln = models.ForeignKey(Kiln, on_delete=models.CASCADE)

class TileSerializer(serializers.ModelSerializer):
    kiln_name = serializers.CharField(source="kiln.name")

    class Meta:
        model = Tile
        fields = ["kiln_name"]

class TileViewSet(viewsets.ModelViewSet):
    serializer_class = TileSerializer

    def get_queryset(self):
        return Tile.objects.order_by("kiln")

    @action(detail=True)
    def glaze(self, request, pk):
        return Response(Tile.objects.get(pk=pk).glaze)

    def retrieve(self, request, *args, **kwargs):
        return super().retrieve(request, *args, **kwargs)

    def list(self, request, *args, **kwargs):
        return super().list(request, *args, **kwargs)

router = routers.DefaultRouter()
router.register("tiles", TileViewSet)
"""


def test_the_rows_of_a_view_set_are_shown_for_the_route_of_its_list(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)

    (found,) = audit(tmp_path, (tmp_path,), Settings(select=("PA503",))).report.findings

    assert found.endpoint == "GET /tiles/"
    assert found.trace[0].message == "GET /tiles/ enters TileViewSet"


REMOVES = """
from django.db import models
from rest_framework import mixins, routers, viewsets

class Guest(models.Model):
    name = models.CharField(max_length=50)

class Kiln(models.Model):
    name = models.CharField(max_length=50)

    def delete(self, *args, **kwargs):
        for shelf in self.name.split():
            Kiln.objects.get(name=shelf)
        return super().delete(*args, **kwargs)

class Removes(mixins.DestroyModelMixin):
    def perform_destroy(self, instance):
        instance.delete()

class GuestViewSet(Removes, viewsets.GenericViewSet):
    queryset = Guest.objects.order_by("name")

class KilnViewSet(Removes, viewsets.GenericViewSet):
    queryset = Kiln.objects.order_by("name")

    def run(self, key):
        self.perform_destroy(self.queryset.get(pk=key))

router = routers.DefaultRouter()
router.register("guests", GuestViewSet)
router.register("kilns", KilnViewSet)
"""


def test_a_method_that_is_given_a_row_is_entered_by_the_view_of_such_rows(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(REMOVES)

    (found,) = audit(tmp_path, (tmp_path,), Settings(select=("PA501",))).report.findings

    assert found.endpoint == "DELETE /kilns/{pk}/"
    assert [step.message for step in found.trace[:2]] == [
        "DELETE /kilns/{pk}/ enters Removes.perform_destroy",
        "Removes.perform_destroy calls Kiln.delete",
    ]
