"""By which route a page is asked for, where several views share the method that fills it."""

from perfaudit.audit import program_of
from perfaudit.core.finding import Match
from perfaudit.detectors import lazy_relation_in_serializer
from perfaudit.detectors.lazy_relation_in_template import detect

FILES = {
    "shop/models.py": """
from django.db import models

class Customer(models.Model):
    name = models.CharField(max_length=50)

class Order(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)

class Invoice(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)

class Offer(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)
""",
    "shop/views.py": """
from django.views.generic import ListView

from shop.models import Invoice, Offer, Order

class Listed(ListView):
    def get_context_data(self, **kwargs):
        context = super().get_context_data(**kwargs)
        context["title"] = "All"
        return context

class Invoices(Listed):
    model = Invoice

class Offers(Listed):
    model = Offer

class Orders(Listed):
    model = Order
""",
    "shop/urls.py": """
from django.urls import path

from shop.views import Invoices, Orders

urlpatterns = [path("invoices/", Invoices.as_view()), path("orders/", Orders.as_view())]
""",
    **{
        f"shop/templates/shop/{name}_list.html": (
            "{% for row in object_list %}{{ row.customer.name }}{% endfor %}\n"
        )
        for name in ("invoice", "offer", "order")
    },
}


def test_a_page_is_asked_for_by_the_route_of_its_own_view() -> None:
    found = [item for item in detect(program_of(FILES)) if isinstance(item, Match)]
    assert {(item.location.path.rpartition("/")[2], item.endpoint) for item in found} == {
        ("invoice_list.html", "GET /invoices/"),
        ("offer_list.html", ""),
        ("order_list.html", "GET /orders/"),
    }


VIEWSET = """
from django.db import models
from django.urls import include, path
from rest_framework import routers, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.response import Response

class Customer(models.Model):
    name = models.CharField(max_length=50)

class Order(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)

class OrderSerializer(serializers.ModelSerializer):
    buyer = serializers.CharField(source="customer.name")

    class Meta:
        model = Order
        fields = ["buyer"]

class Orders(viewsets.ModelViewSet):
    queryset = Order.objects.all()
    serializer_class = OrderSerializer

    @action(detail=False)
    def count(self, request):
        return Response(Order.objects.count())

    def get_queryset(self):
        return super().get_queryset().filter(pk__gt=3)

router = routers.SimpleRouter()
router.register("orders", Orders)
urlpatterns = [path("api/", include(router.urls))]
"""


def test_what_a_view_answers_beside_its_rows_does_not_show_them() -> None:
    found = lazy_relation_in_serializer.detect(program_of({"app.py": VIEWSET}))
    assert [item.endpoint for item in found if isinstance(item, Match)] == ["GET /api/orders/"]
