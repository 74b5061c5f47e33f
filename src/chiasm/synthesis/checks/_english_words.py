"""The English words that `_english` reads by: data, nothing else. The lists are ours."""

from __future__ import annotations

from chiasm.synthesis.checks._statements import Place


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# A sentence is about what could be, from one of these on, and in the clause before it.
SUPPOSED = _set(
    "could might may can would should must will if whether unless potential example examples imagine imagining suppose "
    "assume assuming consider considering often usually typically generally sometimes commonly frequently tend tends "
    "normally rarely recommend recommended ensure need needs advise infer inferred expect expected when whenever until "
    "future ideal ideally essential important crucial helpful useful opportunity opportunities any every each everyone "
    "anyone etc hope order designed intended ability chance risk risks danger avoid avoiding prevent preventing "
    "protect protecting speculate couldn't wouldn't can't shouldn't"
)
# From these on only: what stands before is there, as the dog in "a dog, perhaps a husky".
SUPPOSED_BEHIND = _set(
    "perhaps possibly probably likely maybe potentially presumably apparently suggest suggests suggesting suggested "
    "imply implies implying indicate indicates indicating seem seems appear appears either"
)
UNSURE = SUPPOSED | SUPPOSED_BEHIND | _set("no not none never without cannot isn't aren't")
SEEN = _set("seen spotted found observed noticed identified viewed")
COMPARED = _set("like as resemble resembles resembling similar reminiscent than versus unlike symbolizing rather or")
DENIED = _set(
    "no not none never neither nor without cannot isn't aren't wasn't weren't don't doesn't didn't hasn't haven't lack "
    "lacks lacking absence absent missing devoid free empty instead nobody nothing"
)
# Of an object these make a likeness: "a toy car", "a painting of a horse", "a sign with a cow".
TOY = _set("toy toys plush stuffed miniature fake inflatable model cartoon painted printed ceramic called named")
LIKENESS = _set(
    "picture pictures photo photos photograph photographs image images painting paintings drawing drawings poster "
    "posters print prints statue statues sculpture sculptures figurine figurines logo logos sticker stickers emblem "
    "sign signs art artwork graffiti mural symbol costume ornament ornaments pattern theme reflection reflections "
    "shadow shadows tattoo mask balloon balloons doll dolls sketch icon icons design designs shape shapes"
)
OF = _set("of with showing depicting featuring portraying")
CLAUSE = _set(", : ( ) — – but while which where whereas although though who whose because since so")
TELLING = SUPPOSED | SUPPOSED_BEHIND | COMPARED | DENIED | CLAUSE
ABOUT_PICTURE = _set(
    "visible seen present positioned situated located placed spotted parked displayed depicted shown pictured "
    "featured captured arranged scattered hanging image picture photo photograph scene snapshot background foreground "
    "features shows depicts captures displays showcases portrays presents includes contains consists"
)
BEING = _set("is are was were 's")
DETERMINERS = _set(
    "a an the this that these those his her its their one two three four five six seven eight nine ten eleven twelve "
    "several some many few multiple various numerous another both couple dozen single pair additional"
)
# What ends the way back from a noun to its determiner, and stands behind a noun that is no part of a longer one.
FUNCTION = _set(
    "and or of in on at with by to from for near behind beside between under over above below beneath along across "
    "through around next inside outside within into onto off up down as that who which is are was were has have had "
    "can could may might will would should must do does did be being been not while than then there here it they he "
    "she his her its their also all both on together nearby visible present seen itself themselves himself herself "
    "sits stands lies rests walks runs looks holds wears rides plays eats appears seems sleeps hangs leans watches "
    "faces flies moves uses sit stand lie rest walk run look hold wear ride play eat appear seem sleep hang lean watch "
    "fly adds add catches takes take makes make during about against towards toward upon amid among alongside "
    "after before because since if when where but so yet too"
)
NUMBERS = {
    word: number
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    )
} | {"single": 1}
PLURALS = _set("people children sheep cattle mice geese oxen")
VAGUE = _set("about around approximately nearly almost roughly over to or than up between under some every per few")
PARTIAL = _set("other another more additional of remaining additional first second third half others last smaller")
PICTURE = _set("image picture photo photograph scene frame shot view snapshot composition")
EXTENT = _set(
    "there visible present in the this image picture photo photograph scene shown depicted total altogether seen can "
    "be are is here"
)
PLACES: dict[str, Place] = {
    "left": "left", "right": "right", "above": "above", "below": "below", "beneath": "below", "underneath": "below",
    "top": "above", "upper": "above", "bottom": "below", "lower": "below",
}  # fmt: skip
TO = _set("to on at in near towards toward from")
FAR = _set("far very immediate top bottom upper lower left right")
SIDE = _set("hand side part half edge corner portion area end section")
