"""Tables of peewee and Tortoise classes, and code that is no table at all."""

from schema_project import project

PEEWEE = """
from peewee import CharField, ForeignKeyField, ManyToManyField, Model, SqliteDatabase, TextField

db = SqliteDatabase("x.db")


class BaseModel(Model):
    class Meta:
        database = db


class User(BaseModel):
    name = CharField(unique=True)


class Tweet(BaseModel):
    user = ForeignKeyField(User, backref="tweets")
    reply_to = ForeignKeyField("self", null=True)
    editor = ForeignKeyField(User, lazy_load=False, null=True)
    body = TextField()

    class Meta:
        table_name = "tweet_table"
        indexes = ((("user", "body"), True),)


def tweets(user: User):
    return user.tweets.where(1)

def author(tweet: Tweet):
    return tweet.user

def replies(tweet: Tweet):
    return tweet.tweet_set

def body(tweet: Tweet):
    return tweet.body.strip()

def each(user: User):
    return [tweet.user for tweet in user.tweets]
"""


def test_peewee() -> None:
    found = project({"app.py": PEEWEE})
    assert sorted(found.schema.tables) == ["tweet_table", "user"]
    tweet = found.schema.tables["tweet_table"]
    assert list(tweet.columns) == ["id", "user_id", "reply_to_id", "editor_id", "body"]
    assert (("user_id", "body"), True) in {(item.columns, item.unique) for item in tweet.indexes}
    assert found.relations("User") == {
        "tweets": "one_to_many Tweet",
        "tweet_set": "one_to_many Tweet",
    }
    editor = found.schema.relation(found.node("Tweet"), "editor")
    assert editor is not None
    assert editor.lazy == "raise"
    assert found.returned("tweets") == "ModelSelect[Tweet]"
    assert found.returned("author") == "User"
    assert found.returned("replies") == "ModelSelect[Tweet]"
    assert found.returned("body") == "str"
    assert found.returned("each") == "list[User]"


TORTOISE = """
from tortoise import fields
from tortoise.models import Model


class Tournament(Model):
    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=10)


class Event(Model):
    tournament = fields.ForeignKeyField("models.Tournament", related_name="events")
    data = fields.JSONField()

    class Meta:
        table = "event_table"


async def events(tournament: Tournament):
    return await tournament.events.all()

async def tournament(event: Event):
    return await event.tournament
"""


def test_tortoise() -> None:
    found = project({"app.py": TORTOISE})
    assert sorted(found.schema.tables) == ["event_table", "tournament"]
    event = found.schema.tables["event_table"]
    assert event.columns["data"].type == "json"
    assert event.columns["tournament_id"].references == "tournament"
    assert not event.columns["tournament_id"].indexed
    assert found.returned("events") == "list[Event]"
    assert found.returned("tournament") == "Tournament"


def test_ordinary_classes_are_no_tables() -> None:
    found = project(
        {"app.py": "class Model:\n    name = str()\n\nclass User(Model):\n    age = int()\n"}
    )
    assert found.schema.tables == {}
    assert found.schema.relation_names == frozenset()


def test_broken_declarations_are_read_as_far_as_they_go() -> None:
    found = project(
        {
            "models.py": """
from django.db import models

class Loop(Loop):
    pass

class Odd(models.Model):
    nothing = models.ForeignKey()
    many = models.ManyToManyField(*targets, **options)
    computed = models.ForeignKey(choose("User"), related_name=name_of())
    __tablename__ = 3

    class Meta:
        db_table = f"{prefix}_odd"
        indexes = [*others, build()]
"""
        }
    )
    assert found.relations("Odd") == {
        "nothing": "many_to_one ?",
        "many": "many_to_many ?",
        "computed": "many_to_one ?",
    }


def test_fields_of_a_star_import_are_found() -> None:
    text = PEEWEE.split("\n", 2)[2]
    found = project({"app.py": "from peewee import *\n" + text})
    assert found.relations("Tweet") == {
        "user": "many_to_one User",
        "reply_to": "many_to_one Tweet",
        "editor": "many_to_one User",
        "tweet_set": "one_to_many Tweet",
    }
