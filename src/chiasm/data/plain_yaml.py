"""YAML as people write it by hand: plain values, no aliases, no key twice. Knows nothing of what a file means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from chiasm.errors import UserError


class PlainLoader(yaml.SafeLoader):
    """YAML without aliases, which can blow a small file up to gigabytes, and without a key standing twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not read; write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise yaml.YAMLError(f"the key {twice[0]!r} stands there twice (line {node.start_mark.line + 1})")
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, what: str) -> Any:
    """The value of a YAML file, which is called `what` ("the recipe") where it cannot be read (`UserError`)."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {what} {path}: {error}") from None
    try:
        return yaml.load(text, Loader=PlainLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: dates that no calendar has
        raise UserError(f"{path} is not a plain YAML file: {error}") from None
