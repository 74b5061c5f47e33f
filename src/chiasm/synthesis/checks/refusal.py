"""The teacher declined, apologised, or spoke of itself as a machine that sees no picture.

It does not know what the picture shows: "I'm sorry" on a greeting card stands in quotation marks and is left alone, as
is "it cannot be said with certainty", which is an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from chiasm.synthesis.checks._reading import Reading, quoted

ORDER = 10

_PICTURE = r"(?:\w+ ){0,2}(?:images?|pictures?|photos?|photographs?|visuals?|attachments?)"
# At the beginning of a sentence: in the middle of one, "I'm sorry" is what somebody in the picture says.
_OPENING = re.compile(
    r"(?:^|[.!?\n]) {0,2}(?P<said>"
    r"(?:i['’]?m|i am) (?:(?:so|very|really|truly|deeply) )?(?:sorry\b|unable to|not able to|afraid (?:that )?i\b"
    r"|(?:just |only )?an? (?:ai|(?:large )?language model|text-based)\b)"
    r"|(?:(?:my )?apologies|sorry|unfortunately),? (?:but )?(?:i|we|as an?)\b"
    r"|i (?:sincerely )?apologi[sz]e"
    r"|i (?:can ?not|can['’]t|could not|do not|don['’]t|am not able to) (?:\w+ )?"
    rf"(?:see|view|access|open|process) {_PICTURE}"
    r"|i (?:can ?not|can['’]t|will not|won['’]t) (?:\w+ )?"
    r"(?:assist|help|provide|answer|fulfil|comply|determine|describe|identify|confirm|generate|continue|tell)\b"
    r"|i (?:do not|don['’]t) have (?:(?:any|direct|enough|the|visual) )*"
    r"(?:access|ability|capability|capacity|information|eyes|images?)\b"
    r"|(?:please|could you(?: please)?|can you(?: please)?) (?:provide|upload|share|attach|send) (?:me )?(?:with )?"
    r"(?:the|an?|your|more)\b"
    r")",
    re.IGNORECASE,
)
_ANYWHERE = re.compile(
    r"\bas an? (?:ai\b|artificial intelligence|(?:large |text-based )?language model|text-based|virtual assistant)"
    rf"|\bwithout (?:(?:actually )?seeing|access to|being able to (?:see|view)) {_PICTURE}"
    r"|\bmy (?:knowledge cutoff|training data|guidelines|programming)\b",
    re.IGNORECASE,
)
_CHINESE = re.compile(
    r"(?:^|[。！？\n]) {0,2}(?:很|非常|十分|实在)?(?:抱歉|对不起|不好意思)"
    r"|作为(?:一[个名款位])?(?:AI|ai|人工智能|大?型?语言模型|大模型|大语言模型|文本模型|智能助手|虚拟助手)"
    r"|(?:^|[，。！？\n]) {0,2}我(?:无法|不能|没办法|没有办法|没有能力)(?:直接)?"
    r"(?:看到|查看|看见|访问|打开|处理|提供|回答|协助|帮助|满足|确定|判断|识别|描述|生成|继续)"
    r"|请(?:您|你)?(?:先)?(?:提供|上传|分享|发送)(?:一下)?(?:图片|图像|照片|更多)"
)
_DECLINED = {"refusal": "declined", "content_filter": "was stopped by the provider's content filter"}


def check(reading: Reading) -> Iterator[str]:
    """Each refusal found in an answer, and a reply that the provider says was refused or filtered."""
    if what := _DECLINED.get(reading.sample.finish_reason):
        yield f"the teacher {what} (finish_reason {reading.sample.finish_reason})"
    for answer in reading.answers:
        if reading.sample.language == "zh" and (match := _CHINESE.search(answer)):
            yield f"the answer refuses: {quoted(match[0])}"
        if (match := _OPENING.search(answer)) is not None:
            yield f"the answer refuses: {quoted(match['said'])}"
        elif match := _ANYWHERE.search(answer):
            yield f"the answer speaks of itself: {quoted(match[0])}"
