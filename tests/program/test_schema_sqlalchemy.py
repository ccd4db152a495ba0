"""Tables, columns and relations of SQLAlchemy, Flask-SQLAlchemy and SQLModel classes."""

from schema_project import project

from perfaudit.core.levels import Role

TYPED = """
from typing import Optional
from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, DynamicMapped, Mapped, declared_attr
from sqlalchemy.orm import mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Owned:
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))

    @declared_attr
    def owner(cls) -> Mapped["User"]:
        return relationship("User", lazy="raise")


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
    nick: Mapped[str | None]
    settings: Mapped[dict] = mapped_column(JSONB)
    posts: Mapped[list["Post"]] = relationship(back_populates="author", lazy="selectin")
    drafts: DynamicMapped["Post"] = relationship()


class Post(Owned, Base):
    __tablename__ = "posts"
    __table_args__ = (Index("ix_posts_name", "title", "author_id", unique=True), {"schema": "blog"})
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(Text, index=True)
    author_id: Mapped[Optional[int]] = mapped_column(ForeignKey("users.id"))
    author: Mapped[Optional["User"]] = relationship(back_populates="posts")


def posts(user: User):
    return user.posts

def author(user: User):
    return user.posts[0].author

def drafts(user: User):
    return user.drafts.filter_by(a=1).all()

def name(user: User):
    return user.name.strip()

def on_class():
    return User.name

def owner_of(post: Post):
    return post.owner
"""
BLOG = project({"blog.py": TYPED})


def test_typed_columns() -> None:
    columns = BLOG.schema.tables["users"].columns
    assert {name: (column.type, column.nullable) for name, column in columns.items()} == {
        "id": ("integer", False),
        "name": ("text", False),
        "nick": ("text", True),
        "settings": ("json", False),
    }
    assert columns["name"].unique
    post = BLOG.schema.tables["posts"]
    assert post.columns["author_id"].references == "users.id"
    assert not post.columns["author_id"].indexed
    assert post.columns["title"].indexed
    assert (("title", "author_id"), True) in {(item.columns, item.unique) for item in post.indexes}


def test_typed_relations() -> None:
    assert BLOG.relations("User") == {"posts": "one_to_many Post", "drafts": "one_to_many Post"}
    assert BLOG.relations("Post") == {"author": "many_to_one User", "owner": "many_to_one User"}
    loading = {
        name: relation.lazy
        for node in ("User", "Post")
        for name, relation in BLOG.schema.relations_of(BLOG.node(node)).items()
    }
    assert loading == {"posts": "eager", "drafts": "dynamic", "author": "lazy", "owner": "raise"}
    author = BLOG.schema.relation(BLOG.node("Post"), "author")
    assert author is not None
    assert author.column == "author_id"


def test_typed_attributes_on_objects() -> None:
    assert BLOG.returned("posts") == "list[Post]"
    assert BLOG.returned("author") == "User"
    assert BLOG.returned("drafts") == "list[Post]"
    assert BLOG.returned("name") == "str"
    assert BLOG.returned("owner_of") == "User"


def test_the_class_attribute_stays_the_column() -> None:
    assert BLOG.returned("on_class") == "Mapped[str]"


def test_the_base_and_a_mixin_are_no_tables() -> None:
    assert sorted(BLOG.schema.tables) == ["posts", "users"]


CLASSIC = """
from sqlalchemy import Column, ForeignKey, Integer, String
from sqlalchemy.ext.declarative import declarative_base
from sqlalchemy.orm import backref, relationship

Base = declarative_base()


class Team(Base):
    __tablename__ = "teams"
    id = Column(Integer, primary_key=True)
    name = Column("team_name", String)
    lead_id = Column(ForeignKey("people.id"))
    people = relationship(
        "Person", backref=backref("team", lazy="joined"), foreign_keys="Person.team_id"
    )
    badge = relationship("Badge", uselist=False, back_populates="team")


class Person(Base):
    __tablename__ = "people"
    id = Column(Integer, primary_key=True)
    team_id = Column(Integer, ForeignKey(Team.id), nullable=False)
    parent_id = Column(Integer, ForeignKey("people.id"))
    parent = relationship("Person", remote_side=[id], backref="children")
    skills = relationship(lambda: Skill, secondary="person_skills")


class Badge(Base):
    __tablename__ = "badges"
    id = Column(Integer, primary_key=True)
    team_id = Column(Integer, ForeignKey("teams.id"))
    team = relationship(Team)


class Skill(Base):
    __tablename__ = "skills"
    id = Column(Integer, primary_key=True)


def team(person: Person):
    return person.team

def children(person: Person):
    return person.parent.children
"""


def test_classic_relations_get_their_direction_from_the_keys() -> None:
    found = project({"staff.py": CLASSIC})
    assert found.relations("Badge") == {"team": "many_to_one Team"}
    assert found.relations("Team")["badge"] == "one_to_one Badge"
    assert found.relations("Person") == {
        "parent": "many_to_one Person",
        "skills": "many_to_many Skill",
        "team": found.relations("Person")["team"],
        "children": "one_to_many Person",
    }
    assert found.returned("children") == "list[Person]"
    person = found.schema.tables["people"]
    assert person.columns["team_id"].references == "teams.id"
    assert person.columns["team_id"].nullable is False
    assert found.schema.tables["teams"].columns["name"].name == "team_name"


def test_a_backref_makes_the_other_side_and_its_loading() -> None:
    text = CLASSIC.replace('    lead_id = Column(ForeignKey("people.id"))\n', "")
    found = project({"staff.py": text})
    assert found.relations("Team")["people"] == "one_to_many Person"
    team = found.schema.relation(found.node("Person"), "team")
    assert team is not None
    assert (team.kind, team.lazy, team.column) == ("many_to_one", "eager", "team_id")
    assert found.returned("team") == "Team"


FLASK = """
import functools
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.types import TypeDecorator

db = SQLAlchemy()
Column = functools.partial(db.Column, nullable=False)


class Packed(TypeDecorator):
    impl = db.JSON


class BlogPost(db.Model):
    id = Column(db.Integer, primary_key=True)
    body = db.Column(Packed())
    comments = db.relationship("Comment", backref="post", lazy="dynamic")


class Comment(db.Model):
    __tablename__ = "comments"
    id = db.Column(db.Integer, primary_key=True)
    post_id = db.Column(db.Integer, db.ForeignKey("blog_post.id"))


def comments(post: BlogPost):
    return post.comments.first()

def post(comment: Comment):
    return comment.post
"""


def test_flask_tables_are_named_by_their_class() -> None:
    found = project({"models.py": FLASK})
    assert sorted(found.schema.tables) == ["blog_post", "comments"]
    assert found.schema.tables["blog_post"].columns["body"].type == "json"
    assert found.schema.tables["blog_post"].columns["id"].primary
    assert found.relations("Comment") == {"post": "many_to_one BlogPost"}
    assert found.returned("comments") == "Comment"
    assert found.returned("post") == "BlogPost"


SQLMODEL = """
from sqlmodel import Field, Relationship, SQLModel


class TeamBase(SQLModel):
    name: str = Field(index=True)


class Team(TeamBase, table=True):
    id: int | None = Field(default=None, primary_key=True)
    heroes: list["Hero"] = Relationship(
        back_populates="team", sa_relationship_kwargs={"lazy": "selectin"}
    )


class Hero(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    secret: str | None
    team_id: int | None = Field(default=None, foreign_key="team.id")
    team: Team | None = Relationship(back_populates="heroes")


class HeroRead(SQLModel):
    id: int


def heroes(team: Team):
    return team.heroes

def team(hero: Hero):
    return hero.team
"""


def test_sqlmodel_tables_are_those_that_say_so() -> None:
    found = project({"models.py": SQLMODEL})
    assert sorted(found.schema.tables) == ["hero", "team"]
    team = found.schema.tables["team"]
    assert {name: column.type for name, column in team.columns.items()} == {
        "name": "text",
        "id": "integer",
    }
    assert team.columns["name"].indexed
    hero = found.schema.tables["hero"]
    assert hero.columns["team_id"].references == "team.id"
    assert hero.columns["secret"].nullable is True
    assert found.relations("Team") == {"heroes": "one_to_many Hero"}
    assert found.relations("Hero") == {"team": "many_to_one Team"}
    heroes = found.schema.relation(found.node("Team"), "heroes")
    assert heroes is not None
    assert heroes.lazy == "eager"
    assert found.returned("heroes") == "list[Hero]"
    assert found.returned("team") == "Team"


def test_a_base_class_of_the_maker_names_the_tables() -> None:
    found = project(
        {
            "core.py": """
from sqlalchemy.ext.declarative import declarative_base, declared_attr

class Named:
    @declared_attr
    def __tablename__(cls):
        return cls.__name__.lower() + "s"

Base = declarative_base(cls=Named)
""",
            "models.py": """
from sqlalchemy import Column, Integer
from core import Base

class Item(Base):
    id = Column(Integer, primary_key=True)
""",
        }
    )
    assert list(found.schema.tables) == ["items"]


def test_a_subclass_without_a_name_shares_the_table() -> None:
    found = project(
        {
            "models.py": """
from sqlalchemy import Column, Integer, String
from sqlalchemy.orm import declarative_base

Base = declarative_base()

class Animal(Base):
    __tablename__ = "animals"
    id = Column(Integer, primary_key=True)

class Dog(Animal):
    breed = Column(String)
"""
        }
    )
    assert list(found.schema.tables["animals"].columns) == ["id", "breed"]


def test_classes_of_tests_and_migrations_are_no_tables_and_do_not_confuse() -> None:
    snapshot = TYPED.replace('"users"', '"users_before"')
    found = project(
        {"blog.py": TYPED, "versions/old.py": snapshot, "tests/test_blog.py": snapshot},
        roles={"versions/old.py": Role.MIGRATION, "tests/test_blog.py": Role.TEST},
    )
    assert sorted(found.schema.tables) == ["posts", "users"]
    author = found.schema.relation(found.node("blog.Post"), "author")
    assert author is not None
    assert author.target is found.node("blog.User")


def test_an_unknown_loading_is_not_guessed() -> None:
    found = project({"blog.py": TYPED.replace('lazy="selectin"', "lazy=MODE")})
    posts = found.schema.relation(found.node("User"), "posts")
    assert posts is not None
    assert posts.lazy == "unknown"


APART = """
from sqlalchemy import Column, Index, Integer, MetaData, String, Table, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column("name", String(100))
    email: Mapped[str] = mapped_column(String(100))


logs = Table("logs", MetaData(), Column("id", Integer, primary_key=True), Column("line", String))
Index("by_title", Book.title, Book.email.desc())
Index("by_lower", func.lower(Book.email), unique=True)
Index("by_line", logs.c.line)
Index("of_two", Book.title, logs.c.line)
Index("of_names", "title")
"""


def test_indexes_that_stand_behind_their_table_are_of_it() -> None:
    tables = project({"models.py": APART}).schema.tables
    assert [(index.columns, index.unique) for index in tables["books"].indexes[1:]] == [
        (("name", "email"), False),
        (("(lower(email))",), True),
    ]
    assert [index.columns for index in tables["logs"].indexes[1:]] == [("line",)]


def test_tables_are_named_by_constants_and_made_in_classes() -> None:
    code = """
from sqlalchemy import Column, Integer, MetaData, Table
from sqlalchemy.orm import DeclarativeBase

NAME = "logs"
logs = Table(NAME, MetaData(), Column("id", Integer), Column("line", Integer))
other = Table(worked_out(), MetaData(), Column("id", Integer))


class Base(DeclarativeBase):
    pass


class Badge(Base):
    __table__ = Table("badges", Base.metadata, Column("id", Integer), Column("text", Integer))
"""
    tables = project({"models.py": code}).schema.tables
    assert {name: list(table.columns) for name, table in tables.items()} == {
        "badges": ["id", "text"],
        "logs": ["id", "line"],
    }


WRAPPED = """
import sqlalchemy as sa

metadata = sa.MetaData()


def made(*args, **kwargs):
    kwargs["mysql_character_set"] = "utf8"
    return sa.Table(*args, **kwargs)


def other(name, *args):
    return sa.Table("other", *args)


class Model:
    builds = made("builds", metadata, sa.Column("id", sa.Integer, primary_key=True))
    others = other("builders", metadata, sa.Column("id", sa.Integer))
"""


def test_a_function_may_hand_all_on_to_what_makes_a_table() -> None:
    tables = project({"db.py": WRAPPED}).schema.tables
    assert {name: list(table.columns) for name, table in tables.items()} == {"builds": ["id"]}
