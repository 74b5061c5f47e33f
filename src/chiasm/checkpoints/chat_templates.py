"""Our templates as Jinja for programs that read `chat_template.jinja`, and the way back by comparing what they write.

transformers, vLLM and others render conversations with Jinja; the text must be the one `chiasm.templates` writes. The
start token is left out: the tokenizer adds it. Knows nothing about files or tokens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from chiasm import templates
from chiasm.conversation import IMAGE_MARKER, Conversation, Message, Text, user
from chiasm.templates import Template, as_text

# A turn's content: a string, or a list of parts. Pictures first, each on a line of its own, then the stripped texts, as
# `Conversation.from_openai` puts them. Whitespace control keeps every newline out but the written ones.
_CONTENT = """
{%- macro content_of(message) -%}
{%- if message['content'] is string -%}{{ message['content'] }}
{%- else -%}
{%- set parts = namespace(pictures=0, text='', apart=false) -%}
{%- for part in message['content'] -%}
{%- if part['type'] in ('image', 'image_url') -%}
{%- set parts.pictures = parts.pictures + 1 -%}{%- set parts.apart = true -%}
{%- else -%}
{%- set parts.text = parts.text + (NEWLINE if parts.apart and parts.text else '') + part['text'] -%}
{%- set parts.apart = false -%}
{%- endif -%}
{%- endfor -%}
{%- if parts.pictures -%}
{%- set parts.text = parts.text.strip() -%}
{{ ([IMAGE] * parts.pictures) | join(NEWLINE) }}
{%- if parts.text -%}{{ NEWLINE + parts.text }}{%- endif -%}
{%- else -%}{{ parts.text }}{%- endif -%}
{%- endif -%}
{%- endmacro -%}
{%- set told = messages and messages[0]['role'] == 'system' -%}
{%- set system = content_of(messages[0]) if told else SYSTEM -%}
{%- set turns = messages[1:] if told else messages -%}
"""

# One a style of `chiasm.templates._styles`, under its name. Words in capitals are put in as Jinja strings.
_STYLES: Mapping[str, str] = {
    "named_roles": """
{%- if system -%}{{ system + SEPARATOR }}{%- endif -%}
{%- for turn in turns -%}
{%- set said = content_of(turn) -%}
{%- if turn['role'] == 'user' -%}{{ USER + ': ' + said + SEPARATOR }}
{%- else -%}{{ ASSISTANT + ':' + (' ' + said if said else '') + END }}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ ASSISTANT + ':' }}{%- endif -%}
""",
    "blocks": """
{%- if system -%}{{ START + 'system' + NEWLINE + system + END + SEPARATOR }}{%- endif -%}
{%- for turn in turns -%}
{{ START + (USER if turn['role'] == 'user' else ASSISTANT) + NEWLINE + content_of(turn) + END + SEPARATOR }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ START + ASSISTANT + NEWLINE }}{%- endif -%}
""",
    "bracketed": """
{%- for turn in turns -%}
{%- set said = content_of(turn) -%}
{%- if turn['role'] == 'user' -%}
{%- if not loop.first -%}{{ START }}{%- endif -%}
{{ '[INST] ' }}
{%- if system and loop.first -%}
{{ '<<SYS>>' + NEWLINE + system + NEWLINE + '<</SYS>>' + NEWLINE + NEWLINE }}
{%- endif -%}
{{ said + ' [/INST]' }}
{%- else -%}{{ (' ' + said + ' ' if said else '') + END }}{%- endif -%}
{%- endfor -%}
""",
    "headed": """
{%- if system -%}{{ START + 'system' + SEPARATOR + NEWLINE + NEWLINE + system + END }}{%- endif -%}
{%- for turn in turns -%}
{{ START + (USER if turn['role'] == 'user' else ASSISTANT) + SEPARATOR + NEWLINE + NEWLINE + content_of(turn) + END }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ START + ASSISTANT + SEPARATOR + NEWLINE + NEWLINE }}{%- endif -%}
""",
    "bare": "{%- for turn in turns -%}{{ content_of(turn) + END }}{%- endfor -%}",
}

_PROBES = (
    Conversation((user("What is this?", images=["a picture"]),)),
    Conversation((user("One?", images=["a picture"]), Message("assistant", (Text("Two."),)), user("Three?"))),
)


def jinja(template: Template) -> str | None:
    """The template as Jinja; None for a style that has no Jinja form here."""
    style = _STYLES.get(template.style.__name__)
    if style is None:
        return None
    words = {
        "IMAGE": IMAGE_MARKER,
        "NEWLINE": "\n",
        "SYSTEM": template.system,
        "SEPARATOR": template.separator,
        "USER": template.user,
        "ASSISTANT": template.assistant,
        "START": template.start,
        "END": template.end,
    }
    # Jinja reads the escapes of its string literals as Python does, and JSON's are among those.
    constants = "".join(f"{{%- set {word} = {json.dumps(text)} -%}}\n" for word, text in words.items())
    return (constants + (_CONTENT + style).strip("\n")).replace("\n\n", "\n")


def render(source: str, messages: Sequence[Mapping[str, Any]], add_generation_prompt: bool, **tokens: str) -> str:
    """What a Jinja template writes, rendered in transformers' sandbox."""
    from transformers.utils.chat_template_utils import render_jinja_template

    sandboxed: Any = render_jinja_template
    rendered = sandboxed([list(messages)], chat_template=source, add_generation_prompt=add_generation_prompt, **tokens)
    texts = rendered[0] if isinstance(rendered, tuple) else rendered
    return str(texts[0])


def recognise(source: str, start_token: str | None) -> str | None:
    """The one template of ours that writes what this Jinja writes; None for none or several."""
    start = start_token or ""
    try:
        texts = [render(source, _wire(probe), True, bos_token=start, eos_token="</s>") for probe in _PROBES]
    except Exception:  # a stranger's template may fail in any way; it only means that it is none of ours
        return None
    texts = [text.removeprefix(start) for text in texts]
    known = {name: templates.find(name) for name in templates.REGISTRY.names()}
    same = [name for name, ours in known.items() if [as_text(ours.render(probe)) for probe in _PROBES] == texts]
    return same[0] if len(same) == 1 else None


def _wire(conversation: Conversation) -> list[dict[str, Any]]:
    """Chat messages as transformers' processors take them: parts in order, pictures as `{"type": "image"}`."""
    return [
        {
            "role": message.role,
            "content": [{"type": "image"} for _ in message.images]
            + [{"type": "text", "text": message.text.lstrip("\n")}],
        }
        for message in conversation.messages
    ]
