"""Which text is meant where there are several, and the ways to take all of them in turn."""

from collections.abc import Callable, Sequence

Option = Callable[[], str | None]
"""Works a text out; None where it is not known."""


class Choices:
    """Decides each time that there are several texts: as ``taken`` says, or else for the last.

    ``several``: different texts were to choose from.
    """

    def __init__(self, taken: tuple[int, ...] = ()) -> None:
        self._taken = taken
        self._made: list[tuple[int, int]] = []
        self.several = False

    def one_of(self, options: Sequence[Option]) -> str | None:
        """Return the text of one option; of another one where that has none."""
        index = self.index(len(options))
        texts = [
            self.worked_out(option, is_taken=number == index)
            for number, option in enumerate(options)
        ]
        return self.pick(texts, index)

    def index(self, count: int) -> int:
        """Return which of so many is taken."""
        if count <= 1:
            return 0
        number = len(self._made)
        choice = self._taken[number] if number < len(self._taken) else 0
        self._made.append((choice, count))
        return count - 1 - choice

    def worked_out(self, option: Option, *, is_taken: bool) -> str | None:
        """Return the text of an option; what is chosen within one not taken does not count."""
        if is_taken:
            return option()
        before = self._taken, self._made
        self._taken, self._made = (), []
        text = option()
        self._taken, self._made = before
        return text

    def pick(self, texts: Sequence[str | None], index: int) -> str | None:
        """Return the text of an index, the last one where that has none."""
        known = [text for text in texts if text is not None]
        self.several |= len(set(known)) > 1
        if index < len(texts) and texts[index] is not None:
            return texts[index]
        return known[-1] if known else None

    def following(self) -> tuple[int, ...] | None:
        """Return what is to be taken for the next text, None after the last one."""
        for number in range(len(self._made) - 1, -1, -1):
            choice, count = self._made[number]
            if choice + 1 < count:
                return (*(taken for taken, _ in self._made[:number]), choice + 1)
        return None
