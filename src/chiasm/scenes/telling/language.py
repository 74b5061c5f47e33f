"""What every language of the drawn world can say. `english` and `chinese` are the two; knows no picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from chiasm.scenes.scene import Relation, Scene, Thing

_WORN = ("hat", "trousers")


class Look(NamedTuple):  # of all that is made for a picture there are most of these, and a dataclass is slower to make
    """What is said of a thing; None is left unsaid, a thing without a kind is called "thing".

    Of a person `colour` is the shirt: "a person in a red shirt", 一个穿红色上衣的人. Of a potted plant it is the pot. A
    traffic light's lamp is its state: "a traffic light showing red".
    """

    kind: str | None = None
    colour: str | None = None
    size: str | None = None
    state: str | None = None
    action: str | None = None
    facing: str | None = None
    hat: str | None = None
    trousers: str | None = None
    text: str | None = None

    @classmethod
    def at(cls, thing: Thing, *said: str) -> Look:
        """Of `thing` its kind and the fields named in `said`; what it does not have stays unsaid."""
        told = {n: getattr(thing.clothes, n, None) if n in _WORN else getattr(thing, n) for n in said}
        return cls(thing.kind, **told)

    def fits(self, thing: Thing) -> bool:
        """Whether everything said is true of `thing`."""
        clothes = thing.clothes
        return (
            self.kind in (None, thing.kind)
            and self.colour in (None, thing.colour)
            and self.size in (None, thing.size)
            and self.state in (None, thing.state)
            and self.action in (None, thing.action)
            and self.facing in (None, thing.facing)
            and self.hat in (None, clothes.hat if clothes else None)
            and self.trousers in (None, clothes.trousers if clothes else None)
            and self.text in (None, thing.text)
        )

    def num_in(self, scene: Scene) -> int:
        return sum(self.fits(thing) for thing in scene.things)


class Language(Protocol):
    """Phrases. Sentences are made of them by whoever tells or asks; none ends with a full stop."""

    code: str
    """"en" or "zh"."""

    def name(self, kind: str) -> str:
        """ "traffic light", 红绿灯."""
        ...

    def names(self, kind: str) -> str:
        """The plural, without a number: "traffic lights", 红绿灯."""
        ...

    def colour(self, colour: str) -> str:
        """ "red", 红色."""
        ...

    def number(self, number: int) -> str:
        """ "three", 三 (up to 20)."""
        ...

    def a(self, look: Look, holding: Look | None = None) -> str:
        """ "a large brown dog", 一只棕色的大狗; with the right article or measure word, and what a person holds."""
        ...

    def the(self, look: Look, holding: Look | None = None) -> str:
        """ "the large brown dog", 棕色的大狗; 躺着的那只棕色狗 where that is how one says it."""
        ...

    def doing(self, action: str | None, facing: str | None) -> str:
        """ "lying down and facing left", 朝左躺着; "" for neither. What follows "is" or 正."""
        ...

    def holding(self, held: Look) -> str:
        """ "holding an open umbrella", 撑着一把雨伞."""
        ...

    def several(self, look: Look, number: int | None) -> str:
        """ "three red cars" or, without a number, "red cars"; 三辆红色汽车, 红色汽车."""
        ...

    def relation(self, relation: Relation) -> str:
        """ "to the left of", 左边: see `stands`."""
        ...

    def stands(self, first: str, relation: Relation, second: str) -> str:
        """ "the dog is to the left of the cat", 狗在猫的左边."""
        ...

    def place(self, place: str) -> str:
        """ "in a park", 在公园里."""
        ...

    def words(self) -> Mapping[str, str]:
        """States, actions, places, times, weathers, sizes, sides by their names: "lying", 躺着."""
        ...
