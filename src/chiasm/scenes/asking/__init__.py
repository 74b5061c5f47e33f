"""Questions about scenes and their only right answers, in English and Chinese; and talk without a picture."""

from chiasm.scenes.asking.comparing import compare
from chiasm.scenes.asking.conversations import conversation, long_conversation
from chiasm.scenes.asking.question import Question
from chiasm.scenes.asking.questions import KINDS_OF_QUESTIONS, ask

__all__ = ["KINDS_OF_QUESTIONS", "Question", "ask", "compare", "conversation", "long_conversation"]
