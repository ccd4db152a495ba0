"""Endpoints are found wherever frameworks find them: each test is a small application."""

import ast

import pytest

from perfaudit.core.levels import Role
from perfaudit.data import rules_root
from perfaudit.facts.extract import extract_facts
from perfaudit.libraries import load_libraries
from perfaudit.program.endpoints import Endpoint, find_endpoints
from perfaudit.program.graph import find_graph
from perfaudit.program.infer import Types
from perfaudit.program.modules import Modules

LIBRARIES = load_libraries([rules_root() / "libraries"])


def endpoints(roles: dict[str, Role] | None = None, **files: str) -> tuple[Endpoint, ...]:
    """Return the endpoints of modules given by name; ``__`` stands for a folder."""
    facts = []
    for name, text in files.items():
        path = name.replace("__", "/") + ".py"
        facts.append(extract_facts(path, text, ast.parse(text)))
    types = Types(Modules(facts, roles or {}, frozenset(LIBRARIES.packages)), LIBRARIES)
    return find_endpoints(types, find_graph(types))


def lines(roles: dict[str, Role] | None = None, **files: str) -> list[str]:
    """Return each endpoint as kind, method, path and handler, without what is empty."""
    return [
        " ".join(part for part in (item.kind, item.method, item.path, item.handler.name) if part)
        for item in endpoints(roles, **files)
    ]


def test_fastapi_prefixes_join_over_nested_routers_constants_and_aliases() -> None:
    assert lines(
        settings='API = "/api"\nVERSION = "v1"\n',
        books="""
from fastapi import APIRouter

router = APIRouter(prefix="/books")


@router.get("/{book}")
@router.get("/by-number/{book}")
def read(book): ...
""",
        main="""
from fastapi import APIRouter, FastAPI

import settings
from books import router as books_router

inner = APIRouter()
inner.include_router(books_router)
app = FastAPI()
app.include_router(inner, prefix=f"{settings.API}/{settings.VERSION}")
""",
    ) == [
        "route GET /api/v1/books/by-number/{book} read",
        "route GET /api/v1/books/{book} read",
    ]


def test_fastapi_routers_from_factories_and_subclasses() -> None:
    assert lines(
        main="""
from fastapi import APIRouter, FastAPI


class ItemRouter(APIRouter):
    def __init__(self, name):
        super().__init__(prefix=f"/{name}")


def get_items_router(name) -> APIRouter:
    router = ItemRouter(name)

    @router.post("/new")
    async def create(): ...

    return router


def register(app: FastAPI):
    app.include_router(get_items_router("items"), prefix="/a")


def create_app():
    app = FastAPI()
    register(app)
    return app
"""
    ) == ["route POST /a/items/new create"]


def test_fastapi_router_that_nothing_mounts_keeps_its_prefix() -> None:
    assert lines(
        main="""
from fastapi import APIRouter

router = APIRouter(prefix="/alone")
router.add_api_route("/x", lambda: 1, methods=["PUT"])
"""
    ) == ["route PUT /alone/x <lambda>"]


def test_fastapi_dependencies_come_from_parameters_aliases_decorators_and_routers() -> None:
    found = endpoints(
        main="""
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI


def session(): ...


def user(db=Depends(session)): ...


def guard(): ...


def log(): ...


def limit(): ...


CurrentUser = Annotated[str, Depends(user)]
router = APIRouter(dependencies=[Depends(guard)])


@router.get("/", dependencies=[Depends(limit)], response_model=list[int])
async def read(user: CurrentUser): ...


app = FastAPI(dependencies=[Depends(log)])
app.include_router(router)
"""
    )
    assert [function.name for function in found[0].dependencies] == [
        "log",
        "guard",
        "limit",
        "user",
        "session",
    ]
    assert "builtins.list" in repr(found[0].response_model)


@pytest.mark.parametrize(("keyword", "dispatch"), [("async def", "event-loop"), ("def", "thread")])
def test_dispatch_is_what_the_framework_says(keyword: str, dispatch: str) -> None:
    code = f"from fastapi import FastAPI\napp = FastAPI()\n@app.get('/')\n{keyword} read(): ...\n"
    found = endpoints(main=code)
    assert [item.dispatch for item in found] == [dispatch]
    assert found[0].application is not None
    assert found[0].application.line == 2


def test_starlette_lists_middleware_lifespan_and_error_handlers() -> None:
    assert lines(
        main="""
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import Mount, Route, WebSocketRoute


async def home(request): ...


async def chat(socket): ...


async def failed(request, error): ...


async def begin(): ...


class Books(HTTPEndpoint):
    async def get(self, request): ...
    async def post(self, request): ...


class Timing(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next): ...


inner = [Route("/books", Books), WebSocketRoute("/chat", chat)]
app = Starlette(routes=[Route("/", home), Mount("/v1", routes=inner)], on_startup=[begin])
app.add_middleware(Timing)
app.add_exception_handler(500, failed)
"""
    ) == [
        "route GET / home",
        "websocket /v1/chat chat",
        "error-handler failed",
        "lifespan begin",
        "route GET /v1/books get",
        "route POST /v1/books post",
        "middleware dispatch",
    ]


def test_a_function_that_makes_a_middleware_runs_at_start_up() -> None:
    assert lines(
        main="""
from fastapi import FastAPI


class Timing:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send): ...


def limit(app):
    async def limited(scope, receive, send): ...
    return limited


def timed(app):
    return Timing(app)


async def plain(scope, receive, send): ...


app = FastAPI()
app.add_middleware(limit)
app.add_middleware(timed)
app.add_middleware(plain)
"""
    ) == [
        "middleware __call__",
        "lifespan limit",
        "middleware limited",
        "lifespan timed",
        "middleware plain",
    ]


def test_methods_that_another_scope_makes() -> None:
    assert lines(
        main="""
from flask import Flask


def verb(name): ...


verb("a"), verb("b"), verb("c")
METHODS = [verb("PUT"), "POST"]


def make():
    app = Flask(__name__)

    @app.route("/", methods=METHODS)
    def home(): ...

    return app
"""
    ) == ["route POST / home", "route PUT / home"]


def test_flask_blueprints_rules_views_and_hooks() -> None:
    assert lines(
        main="""
from flask import Blueprint, Flask
from flask.views import MethodView

pages = Blueprint("pages", __name__)


@pages.before_request
def check(): ...


@pages.route("/list", methods=["GET", "POST"])
def listing(): ...


class Page(MethodView):
    def delete(self, number): ...


pages.add_url_rule("/<int:number>", view_func=Page.as_view("page"))


def register(app, blueprint, prefix):
    app.register_blueprint(blueprint, url_prefix=prefix)


def create_app():
    app = Flask(__name__)
    register(app, pages, "/pages")

    @app.route("/")
    def home(): ...

    return app
"""
    ) == [
        "middleware check",
        "route GET /pages/list listing",
        "route POST /pages/list listing",
        "route DELETE /pages/<int:number> delete",
        "route GET / home",
    ]


def test_flask_restful_resources_behind_a_project_method_with_several_paths() -> None:
    assert lines(
        main="""
from flask_restful import Api, Resource


def scoped(rule):
    return rule


class OwnApi(Api):
    def add_scoped(self, resource, *urls, **kwargs):
        urls = [scoped(url) for url in urls]
        return self.add_resource(resource, *urls, **kwargs)


class Books(Resource):
    def get(self): ...


api = OwnApi()
api.add_scoped(Books, "/books", "/library", endpoint="books")
"""
    ) == ["route GET /books get", "route GET /library get"]


def test_class_decorator_of_the_project_that_registers_a_resource() -> None:
    assert lines(
        main="""
from flask_restful import Api, Resource

api = Api()


def resource(*urls):
    def wrapper(node):
        api.add_resource(node, *urls)
        return node

    return wrapper


@resource("/v1/books")
class Books(Resource):
    def get(self): ...
"""
    ) == ["route GET /v1/books get"]


def test_django_urls_includes_wrappers_and_class_views() -> None:
    files = {
        "site__urls": """
from django.urls import include, path, re_path
from django.views.decorators.cache import cache_page

from shop import views

extra = [path("extra/", views.plain)]
urlpatterns = [
    path("shop/", include("shop.urls")),
    path("x/", include((extra, "x"))),
    re_path(r"^cached/$", cache_page(60)(views.plain)),
    re_path(r"^old/(?P<year>(19|20)[0-9]+)/(?P<slug>[\\w-]+)/$", views.plain),
]
urlpatterns += [path("late/", views.plain)]
""",
        "shop____init__": "",
        "shop__urls": """
from django.urls import path

from shop.views import Books, Form, plain

urlpatterns = [path("", Books.as_view()), path("form/", Form.as_view()), path("plain/", plain)]
""",
        "shop__views": """
from django.views.generic import FormView, ListView


def plain(request): ...


class Books(ListView):
    def get_context_data(self, **kwargs): ...
    def get_queryset(self): ...


class Form(FormView):
    def dispatch(self, request): ...
    def form_valid(self, form): ...
""",
    }
    assert sorted(lines(**files)) == [
        "route /cached/ plain",
        "route /late/ plain",
        "route /old/{year}/{slug}/ plain",
        "route /shop/plain/ plain",
        "route /x/extra/ plain",
        "route GET /shop/ get_queryset",
        "route GET /shop/form/ Form",
        "route POST /shop/form/ form_valid",
    ]
    found = {item.path: item for item in endpoints(**files)}
    assert "django.views.decorators.cache.cache_page" in found["/cached/"].decorators
    assert [hook.name for hook in found["/shop/"].dependencies] == ["get_context_data"]


def test_rest_framework_routers_view_sets_actions_and_function_views() -> None:
    assert sorted(
        lines(
            urls="""
from django.urls import include, path
from rest_framework.routers import DefaultRouter

from views import BookViewSet, Single, login

router = DefaultRouter()
router.register("books", BookViewSet)
urlpatterns = [
    path("api/", include(router.urls)),
    path("login/", login),
    path("single/", Single.as_view({"get": "list"})),
]
""",
            views="""
from rest_framework import viewsets
from rest_framework.decorators import action, api_view


@api_view(["POST"])
def login(request): ...


class BookViewSet(viewsets.ReadOnlyModelViewSet):
    def get_queryset(self): ...

    def list(self, request): ...

    @action(detail=True, methods=["post"])
    def sell(self, request, pk=None): ...


class Single(viewsets.ViewSet):
    def list(self, request): ...
""",
        )
    ) == [
        "route GET /api/books/ list",
        "route GET /api/books/{pk}/ get_queryset",
        "route GET /single/ list",
        "route POST /api/books/{pk}/sell/ sell",
        "route POST /login/ login",
    ]


def test_rest_framework_routers_that_leave_the_last_slash_off() -> None:
    assert sorted(
        lines(
            urls="""
from django.urls import include, path
from rest_framework.routers import DefaultRouter, SimpleRouter

from views import BookViewSet

bare = SimpleRouter(trailing_slash=False)
bare.register("books", BookViewSet)
usual = DefaultRouter(trailing_slash=True)
usual.register("volumes", BookViewSet)
urlpatterns = [path("api/", include(bare.urls)), path("old/", include(usual.urls))]
""",
            views="""
from rest_framework import viewsets


class BookViewSet(viewsets.ViewSet):
    def list(self, request): ...

    def retrieve(self, request, pk): ...
""",
        )
    ) == [
        "route GET /api/books list",
        "route GET /api/books/{pk} retrieve",
        "route GET /old/volumes/ list",
        "route GET /old/volumes/{pk}/ retrieve",
    ]


def test_resources_below_a_blueprint_answer_the_methods_that_they_name() -> None:
    assert sorted(
        lines(
            routes="""
from flask import Blueprint, Flask
from flask_rest_jsonapi import Api

from views import Books, NewBook, OneBook

app = Flask(__name__)
v1 = Blueprint("v1", __name__, url_prefix="/v1")
api = Api(app=app, blueprint=v1)
api.route(Books, "books", "/books")
api.route(NewBook, "new_book", "/books/new")
api.route(OneBook, "book", "/books/<int:id>")
""",
            views="""
from flask_rest_jsonapi import ResourceDetail, ResourceList


class Books(ResourceList):
    methods = ["GET"]

    def before_get(self, args, kwargs): ...


class NewBook(ResourceList):
    methods = ["POST"]


class OneBook(ResourceDetail):
    def get(self, **kwargs): ...
""",
        )
    ) == [
        "route DELETE /v1/books/<int:id> OneBook",
        "route GET /v1/books before_get",
        "route GET /v1/books/<int:id> get",
        "route PATCH /v1/books/<int:id> OneBook",
        "route POST /v1/books/new NewBook",
    ]


def test_classes_answer_only_the_methods_that_they_limit_themselves_to() -> None:
    assert sorted(
        lines(
            urls="""
from django.urls import include, path
from rest_framework.routers import DefaultRouter

from views import JobViewSet, NewRun, OfPlan, Sums

router = DefaultRouter()
router.register("jobs", JobViewSet)
urlpatterns = [
    path("new/", NewRun.as_view()),
    path("plans/<int:plan>/", OfPlan.as_view()),
    path("sums/", Sums.as_view()),
    path("", include(router.urls)),
]
""",
            views="""
from django.views.generic import View
from rest_framework.decorators import action
from rest_framework.viewsets import ModelViewSet

METHODS = View.http_method_names


class NewRun(View):
    def get(self, request): ...
    def post(self, request): ...


class OfPlan(NewRun):
    http_method_names = ["get"]


class Sums(NewRun):
    http_method_names = ["get", *METHODS]


class JobViewSet(ModelViewSet):
    http_method_names = ["get", "head"]

    def list(self, request): ...
    def create(self, request): ...

    @action(detail=False, methods=["get", "post"])
    def counts(self, request): ...
""",
        )
    ) == [
        "route GET /jobs/ list",
        "route GET /jobs/counts/ counts",
        "route GET /jobs/{pk}/ JobViewSet",
        "route GET /new/ get",
        "route GET /plans/<int:plan>/ get",
        "route GET /sums/ get",
        "route POST /new/ post",
        "route POST /sums/ post",
    ]


def test_rest_framework_actions_of_view_sets_whose_bases_are_not_known() -> None:
    assert sorted(
        lines(
            urls="""
from rest_framework.routers import DefaultRouter

from views import JobViewSet

router = DefaultRouter()
router.register("jobs", JobViewSet)
""",
            views="""
from far_away import ReadViewSet
from rest_framework.decorators import action


class Stops:
    @action(detail=True, methods=["post"], url_path="halt")
    def stop(self, request, pk): ...


class JobViewSet(Stops, ReadViewSet):
    def list(self, request): ...

    @action(detail=False, methods=["post"])
    def recent(self, request, name=None): ...

    @action(detail=True)
    def notes(self, request, *args, **kwargs): ...

    @notes.mapping.patch
    def change_notes(self, request, *args, **kwargs): ...


class Lost(ReadViewSet):
    @action(detail=False, methods=["put"])
    def seek(self, request): ...

    @action(detail=True)
    def find(self, request, key): ...

    @find.mapping.delete
    def drop(self, request, key): ...

    @find.other.post
    def note(self, request, key): ...
""",
        )
    ) == [
        "route DELETE {?}/{key}/find/ drop",
        "route GET /jobs/ list",
        "route GET /jobs/{pk}/notes/ notes",
        "route GET {?}/{key}/find/ find",
        "route PATCH /jobs/{pk}/notes/ change_notes",
        "route POST /jobs/recent/ recent",
        "route POST /jobs/{pk}/halt/ stop",
        "route PUT {?}/seek/ seek",
    ]


def test_a_factory_of_the_view_set_that_names_an_action_routes_to_it() -> None:
    assert sorted(
        lines(
            urls="""
from django.urls import path

from views import Books

sell = Books.for_action("sell")

urlpatterns = [
    path("books/<pk>/sell", sell),
    path("books/<pk>/lend", Books.for_action(action="lend")),
    path("books/", Books.as_view(actions={"get": "list"})),
]
""",
            views="""
from rest_framework import viewsets
from rest_framework.decorators import action


class Made:
    @classmethod
    def for_action(cls, action):
        chosen = getattr(cls, action)
        return cls.as_view(dict(chosen.mapping), **chosen.kwargs)


class Books(Made, viewsets.ModelViewSet):
    @action(detail=True, methods=["post"])
    def sell(self, request, pk): ...

    @action(detail=True, methods=["post", "delete"])
    def lend(self, request, pk): ...

    @action(detail=True)
    def read(self, request, pk): ...
""",
        )
    ) == [
        "route DELETE /books/<pk>/lend lend",
        "route GET /books/ Books",
        "route POST /books/<pk>/lend lend",
        "route POST /books/<pk>/sell sell",
    ]


def test_rest_framework_routes_enter_the_hooks_of_their_own_action() -> None:
    found = endpoints(
        urls="""
from django.urls import path

from views import Alone, Books, Lists, Ones

urlpatterns = [
    path("books/list/", Books.as_view({"get": "list"})),
    path("books/one/", Books.as_view({"get": "retrieve"})),
    path("books/make/", Books.as_view({"post": "create"})),
    path("books/sell/", Books.as_view({"post": "sell"})),
    path("lists/", Lists.as_view()),
    path("ones/", Ones.as_view()),
    path("alone/", Alone.as_view()),
]
""",
        views="""
from rest_framework import generics, viewsets


class Hooks:
    def get_queryset(self): ...

    def get_object(self): ...

    def paginate_queryset(self, queryset): ...

    def perform_create(self, serializer): ...

    def perform_update(self, serializer): ...

    def get_serializer_class(self): ...


class Books(Hooks, viewsets.ModelViewSet):
    def list(self, request): ...

    def retrieve(self, request, pk): ...

    def create(self, request): ...

    def sell(self, request): ...


class Lists(Hooks, generics.ListCreateAPIView):
    def get(self, request): ...


class Ones(Hooks, generics.RetrieveUpdateAPIView):
    def get(self, request, pk): ...

    def put(self, request, pk): ...


class Alone(Hooks, generics.GenericAPIView):
    def get(self, request): ...
""",
    )
    hooks = {
        f"{item.method} {item.path}": {item.handler.name, *(it.name for it in item.dependencies)}
        for item in found
    }
    shared = {"get_serializer_class"}
    assert hooks == {
        "GET /books/list/": {"list", "get_queryset", "paginate_queryset", *shared},
        "GET /books/one/": {"retrieve", "get_queryset", "get_object", *shared},
        "POST /books/make/": {"create", "perform_create", *shared},
        "POST /books/sell/": {"sell", *shared},
        "GET /lists/": {"get", "get_queryset", "paginate_queryset", *shared},
        "POST /lists/": {"perform_create", *shared},
        "GET /ones/": {"get", "get_queryset", "get_object", *shared},
        "PUT /ones/": {"put", "get_queryset", "get_object", "perform_update", *shared},
        "PATCH /ones/": {"get_queryset", "get_object", "perform_update", *shared},
        "GET /alone/": {"get", "get_queryset", *shared},
    }


def test_aiohttp_tables_lists_and_untyped_applications() -> None:
    assert lines(
        main="""
from aiohttp import web

routes = web.RouteTableDef()


@routes.get("/table")
async def table(request): ...


async def one(request): ...


class Api:
    async def two(self, request): ...


def setup(app, api):
    app.router.add_post("/one", one)
    app.add_routes([web.get("/two", api.two)])


def main():
    app = web.Application()
    inner = web.Application()
    inner.add_routes(routes)
    app.add_subapp("/inner", inner)
    setup(app, Api())
"""
    ) == ["route GET /inner/table table", "route POST /one one", "route GET /two two"]


def test_tornado_pairs_of_path_and_handler() -> None:
    assert lines(
        main="""
from tornado import web


class Books(web.RequestHandler):
    async def get(self): ...


handlers = [(r"/books", Books)]
"""
    ) == ["route GET /books get"]


def test_tasks_commands_and_the_wrappers_of_a_project() -> None:
    assert lines(
        tasks="""
import functools

import click
import dramatiq
from celery import shared_task
from django.core.management.base import BaseCommand


@shared_task
def first(): ...


def actor(name=None):
    def decorate(function):
        @functools.wraps(function)
        async def inner(*args):
            return await function(*args)

        dramatiq.actor(inner, actor_name=name)
        return inner

    return decorate


@actor(name="second")
async def second(): ...


@click.group()
def main(): ...


@main.command()
def show(): ...


class Command(BaseCommand):
    def handle(self, *args, **options): ...
"""
    ) == ["task first", "task second", "command main", "command show", "command handle"]


def test_unknown_parts_of_a_path_are_marked() -> None:
    assert lines(
        main="""
import os

from fastapi import FastAPI

app = FastAPI()


@app.get(os.environ["BASE"] + "/x")
def read(): ...
"""
    ) == ["route GET {?}/x read"]


def test_view_class_that_no_route_names_has_an_unknown_path() -> None:
    assert lines(
        main="""
from django.views.generic import View


class Lost(View):
    def get(self, request): ...
"""
    ) == ["route GET {?} get"]


def test_handlers_in_tests_and_decorators_of_other_objects_are_no_endpoints() -> None:
    app = "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/')\ndef read(): ...\n"
    assert lines({"test_main.py": Role.TEST}, test_main=app) == []
    other = "class Cache:\n    def get(self, key): ...\n\n\ncache = Cache()\n"
    assert lines(main=other + "@cache.get('/')\ndef read(): ...\n") == []


def test_lists_that_hold_each_other_end() -> None:
    assert lines(
        urls="""
from django.urls import include, path


def view(request): ...


urlpatterns = [path("a/", view), path("again/", include("urls"))]
urlpatterns = urlpatterns + urlpatterns
for part in [urlpatterns]:
    urlpatterns += part
"""
    )[0].startswith("route")


def test_routers_that_all_hang_below_each_other_give_a_bounded_number_of_paths() -> None:
    names = [f"r{number}" for number in range(24)]
    made = "".join(f'{name} = APIRouter(prefix="/{name}")\n' for name in names)
    hung = "".join(
        f"{parent}.include_router({child})\n"
        for parent in names
        for child in names
        if parent != child
    )
    route = '@r0.get("/books")\ndef read(): ...\n'
    found = lines(main=f"from fastapi import APIRouter\n{made}{hung}{route}")
    assert 1 <= len(found) <= 64
    assert all(line.endswith("/r0/books read") for line in found)


def test_a_prefix_that_is_made_from_itself_grows_once() -> None:
    app = """
from aiohttp import web
from django.conf import settings

class Handler:
    async def show(self, request): ...

app = web.Application()

def setup():
    prefix = settings.PREFIX
    if settings.MANY:
        prefix = prefix + "{domain}/"
    app.add_routes([web.get(prefix + "beats", Handler().show)])
"""
    assert [item.path for item in endpoints(app=app)] == ["{?}{domain}/beats"]


def test_graph_root_fields_are_endpoints_and_resolvers_of_nodes_are_entered() -> None:
    assert lines(
        nodes="""
import strawberry

@strawberry.type
class Book:
    @strawberry.field
    def pages(self) -> int: ...

@strawberry.type
class BookQueries:
    @strawberry.field
    async def books(self) -> list[Book]: ...
""",
        schema="""
import strawberry
from nodes import BookQueries

@strawberry.type
class Query(BookQueries):
    @strawberry.field
    def version(self) -> str: ...

@strawberry.type
class Mutation:
    @strawberry.mutation
    def rename(self) -> str: ...
""",
    ) == [
        "resolver Book.pages pages",
        "graph-field GRAPHQL Query.books books",
        "graph-field GRAPHQL Query.version version",
        "graph-field GRAPHQL Mutation.rename rename",
    ]


def test_graph_fields_resolved_by_the_names_of_methods_and_by_binding() -> None:
    assert lines(
        prefixed="""
import graphene

class Rename(graphene.Mutation):
    def mutate(root, info): ...

class Query(graphene.ObjectType):
    def resolve_books(root, info): ...

class Mutation(graphene.ObjectType):
    rename = Rename.Field()
""",
        bound="""
from ariadne import QueryType

query = QueryType()

@query.field("shops")
def list_shops(*_): ...
""",
    ) == [
        "graph-field GRAPHQL Query.shops list_shops",
        "graph-field GRAPHQL Rename mutate",
        "graph-field GRAPHQL Query.books resolve_books",
    ]


def test_a_package_of_routes_that_imports_its_modules() -> None:
    found = lines(
        settings='ROOT_URLCONF = "urls"\n',
        urls="""
from django.urls import include, path
import shop

urlpatterns = [path("shop/", include(shop.books))]
""",
        shop____init__="from . import books\n",
        shop__books="""
from django.urls import path
from . import views

urlpatterns = [path("books/", views.books)]
""",
        shop__views="def books(request):\n    return None\n",
    )

    assert found == ["route /shop/books/ books"]


VIEWS = """
from flask.views import MethodView


class Shelf(MethodView):
    def get(self): ...


class Lamp(MethodView):
    def put(self, number): ...
"""
TABLES = """
from flask import Blueprint

from views import Lamp, Shelf
from wiring import wire

table = [("/shelves", Shelf), ("/lamps/<number>", Lamp)]
rooms = Blueprint("rooms", "rooms")
wire(rooms, table)
"""
PAIRED = ["route GET /shelves get", "route PUT /lamps/<number> put"]


@pytest.mark.parametrize(
    "loop",
    [
        """
    for url, view in table:
        target.add_url_rule(url, view_func=view.as_view(view.__name__))
""",
        """
    made = {}
    for url, view in table:
        func = made.get(view)
        if func is None:
            func = view.as_view(view.__name__)
            for wrap in wraps or []:
                func = wrap(func)
            made[view] = func
        target.add_url_rule(url, view_func=func)
""",
        """
    for row in table:
        (url, view) = row
        target.add_url_rule(url, view_func=view.as_view("x"))
""",
        """
    for row in table:
        target.add_url_rule(row[0], view_func=row[1].as_view("x"))
""",
        """
    for url, view in table:
        add(target, url, func=view.as_view("x"))


def add(target, url, func):
    target.add_url_rule(url, view_func=func)
""",
    ],
)
def test_a_path_and_a_view_of_one_row_stay_together_in_the_loop_of_another_module(
    loop: str,
) -> None:
    wiring = f"def wire(target, table, wraps=None):{loop}"
    assert lines(views=VIEWS, wiring=wiring, tables=TABLES) == PAIRED


def test_rows_of_two_callers_stay_with_the_blueprint_of_each() -> None:
    wiring = """
def wire(target, table):
    for url, view in table:
        target.add_url_rule(url, view_func=view.as_view("x"))
"""
    tables = """
from flask import Blueprint

from views import Lamp, Shelf
from wiring import wire

wire(Blueprint("rooms", "rooms", url_prefix="/rooms"), [("/shelves", Shelf), ("/all", Shelf)])
wire(Blueprint("light", "light", url_prefix="/light"), [("/lamps", Lamp)])
"""
    assert lines(views=VIEWS, wiring=wiring, tables=tables) == [
        "route GET /rooms/all get",
        "route GET /rooms/shelves get",
        "route PUT /light/lamps put",
    ]


def test_named_rows_stay_with_the_blueprint_and_its_prefix_alone() -> None:
    wiring = """
def wire(target, table):
    for url, view in table:
        target.add_url_rule(url, view_func=view.as_view("x"))
"""
    tables = TABLES.replace('"rooms")', '"rooms", url_prefix="/rooms")')
    assert lines(views=VIEWS, wiring=wiring, tables=tables) == [
        "route GET /rooms/shelves get",
        "route PUT /rooms/lamps/<number> put",
    ]


def test_groups_of_rows_stay_with_the_prefix_of_their_group() -> None:
    main = """
from flask import Flask

from views import Lamp, Shelf

app = Flask(__name__)
groups = [("/rooms", [("/shelves", Shelf)]), ("/light", [("/lamps", Lamp)])]
for prefix, table in groups:
    for url, view in table:
        app.add_url_rule(prefix + url, view_func=view.as_view("x"))
"""
    assert lines(views=VIEWS, main=main) == [
        "route GET /rooms/shelves get",
        "route PUT /light/lamps put",
    ]


def test_a_row_whose_path_is_not_known_gets_no_path_of_another_row() -> None:
    main = """
from flask import Flask

from settings import path_of
from views import Lamp, Shelf

app = Flask(__name__)
table = [("/shelves", Shelf), (path_of("lamps", 1), Lamp)]
for url, view in table:
    app.add_url_rule(url, view_func=view.as_view("x"))
"""
    assert lines(views=VIEWS, main=main) == ["route GET /shelves get", "route PUT {?} put"]


def test_rows_that_are_objects_get_no_path_of_another_row() -> None:
    main = """
from flask import Flask

from views import Lamp, Shelf


class Row:
    def __init__(self, url, view):
        self.url = url
        self.view = view


class Swapped:
    def __init__(self, view, url):
        self.url = url
        self.view = view


app = Flask(__name__)
for row in [Row("/shelves", Shelf), Swapped(Lamp, "/lamps")]:
    app.add_url_rule(row.url, view_func=row.view.as_view("x"))
"""
    assert lines(views=VIEWS, main=main) == ["route GET /shelves get", "route PUT /lamps put"]


def test_rows_of_sums_and_of_lists_in_lists_stay_together() -> None:
    main = """
from flask import Flask

from elsewhere import others
from views import Lamp, Shelf

app = Flask(__name__)
first = [("/shelves", Shelf), ("/lamps", Lamp)]
more = [*first, *others]
for url, view in more + [("/light", Lamp)]:
    app.add_url_rule(url, view_func=view.as_view("x"))
"""
    assert lines(views=VIEWS, main=main) == [
        "route GET /shelves get",
        "route PUT /lamps put",
        "route PUT /light put",
    ]


def test_routers_of_a_loop_stay_with_their_prefix() -> None:
    assert lines(
        main="""
from fastapi import APIRouter, FastAPI

rooms = APIRouter()
light = APIRouter()


@rooms.get("/shelves")
def shelves(): ...


@light.get("/lamps")
def lamps(): ...


app = FastAPI()
for prefix, router in [("/rooms", rooms), ("/light", light)]:
    app.include_router(router, prefix=prefix)
"""
    ) == ["route GET /rooms/shelves shelves", "route GET /light/lamps lamps"]
