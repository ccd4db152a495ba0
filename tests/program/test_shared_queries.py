"""The eager load belongs where the query stands that several ways share."""

from perfaudit.audit import program_of
from perfaudit.core.finding import Match
from perfaudit.detectors.lazy_relation_in_loop import detect

MODELS = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

class Base(DeclarativeBase):
    pass

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]

class Board(Base):
    __tablename__ = "boards"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    user: Mapped[User] = relationship()

def everything(session: Session):
    return session.query(Board)

def searched(session: Session, term):
    return everything(session).filter(Board.id > term)

def shown(session: Session, term):
    if term:
        found = searched(session, term)
    else:
        found = everything(session)
    return [board.user.name for board in found]
"""


def test_what_one_way_adds_is_not_where_the_query_begins() -> None:
    found = [item for item in detect(program_of({"app.py": MODELS})) if isinstance(item, Match)]

    begin = MODELS.split("\n").index("    return session.query(Board)") + 1
    assert [item.fix for item in found] == [
        f"Add .options(joinedload(Board.user)) to the query at app.py:{begin}."
    ]
