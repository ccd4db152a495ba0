"""Which text is meant where there are several, and the ways to take all of them in turn.

What is chosen once says what else holds in the same run: a test, the key of a dictionary, the
class of an object. Later choices of the same text keep to it.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

Facts = Mapping[Hashable, object]
"""What holds in a run, by what is asked: the outcome of a test, a key, the class that owns."""
NOTHING: Facts = MappingProxyType({})


class Option(NamedTuple):
    """One of several texts. ``text`` works it out; ``holds`` is so where it is the one."""

    text: Callable[[], str | None]
    holds: Facts = NOTHING


@dataclass(slots=True)
class Budget:
    """How many more expressions are looked at for texts that need not be known."""

    left: int


@dataclass(slots=True)
class _Made:
    """A choice that was made. ``within``: those whose options it is a part of.

    ``asks``: what decides it. ``several``: different texts were to choose from.
    """

    choice: int
    count: int
    within: tuple[int, ...]
    asks: frozenset[Hashable]
    several: bool = False


@dataclass(slots=True)
class Choices:
    """Decides each time that there are several texts: as ``taken`` says, or else for the last.

    ``several``: different texts were to choose from. ``facts`` holds for the text so far.
    """

    taken: tuple[int, ...]
    budget: Budget
    several: bool = False
    facts: dict[Hashable, object] = field(default_factory=dict)
    _made: list[_Made] = field(default_factory=list)
    _within: tuple[int, ...] = ()

    def one_of(
        self,
        options: Sequence[Option],
        asks: frozenset[Hashable] = frozenset(),
        *,
        all_known: bool = False,
    ) -> str | None:
        """Return the text of one option; of another one where that has none.

        ``all_known``: None where any of them has none.
        """
        possible = [option for option in options if self.allows(option.holds)] or list(options)
        if not possible:
            return None
        before, within = dict(self.facts), self._within
        made = self._choose(len(possible), asks)
        index = len(possible) - 1 - (made.choice if made else 0)
        texts: dict[int, str | None] = {}
        for number, option in enumerate(possible):
            if number == index:
                self.facts = {**before, **option.holds}
                texts[number] = option.text()
                after, self._within = self.facts, within
            elif self.budget.left <= 0:
                # What is not looked at may be another text.
                self.several = True
            else:
                texts[number] = self._aside(option, before)
        self.facts = after
        known = {number: text for number, text in texts.items() if text is not None}
        if made is not None:
            made.several = len(set(known.values())) > 1
        self.several |= len(set(known.values())) > 1
        if not known or all_known and len(known) < len(texts):
            return None
        if index not in known:
            index = max(known)
            self.facts = {**before, **possible[index].holds}
        return known[index]

    def allows(self, holds: Facts) -> bool:
        """Return whether something can be so together with what is chosen so far."""
        return all(self.facts.get(asked, said) == said for asked, said in holds.items())

    def _choose(self, count: int, asks: frozenset[Hashable]) -> _Made | None:
        if count <= 1:
            return None
        number = len(self._made)
        choice = self.taken[number] if number < len(self.taken) else 0
        made = _Made(choice, count, self._within, asks)
        self._made.append(made)
        self._within = (*self._within, number)
        return made

    def _aside(self, option: Option, facts: Facts) -> str | None:
        """Return the text of an option that is not taken; what is chosen in it does not count."""
        kept = self.taken, self._made, self._within
        self.taken, self._made, self._within = (), [], ()
        self.facts = {**facts, **option.holds}
        text = option.text()
        self.taken, self._made, self._within = kept
        return text

    def are_entangled(self) -> bool:
        """Return whether two choices, none a part of the other, may depend on the same thing.

        Which of their texts belong together is not known.
        """
        real = [(number, made) for number, made in enumerate(self._made) if made.several]
        return any(
            one.asks & other.asks and number not in other.within
            for place, (number, one) in enumerate(real)
            for _, other in real[place + 1 :]
        )

    def following(self) -> tuple[int, ...] | None:
        """Return what is to be taken for the next text, None after the last one."""
        for number in range(len(self._made) - 1, -1, -1):
            made = self._made[number]
            if made.choice + 1 < made.count:
                return (*(each.choice for each in self._made[:number]), made.choice + 1)
        return None
