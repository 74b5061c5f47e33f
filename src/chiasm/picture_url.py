"""A picture as a URL that chat messages can hold."""

from __future__ import annotations

import base64
import mimetypes
from pathlib import Path

from chiasm.errors import UserError


def picture_url(source: object) -> str:
    """A data URL of a readable path or of bytes; a URL stays as it is. Raises `UserError` for anything else."""
    if isinstance(source, str) and "://" in source:
        return source
    if isinstance(source, str | Path):
        kind = mimetypes.guess_type(str(source))[0] or "image/png"
        try:
            data = Path(source).read_bytes()
        except OSError as error:
            raise UserError(f"cannot read the picture {source}: {error.strerror}") from None
    elif isinstance(source, bytes):
        kind, data = _kind_of_bytes(source), source
    else:
        raise UserError(f"a picture must be a path or bytes to be sent, not {type(source).__name__}. Save it first")
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _kind_of_bytes(data: bytes) -> str:
    """The media type by the first bytes; what receives it looks at the content anyway."""
    for start, kind in ((b"\xff\xd8", "image/jpeg"), (b"GIF8", "image/gif"), (b"RIFF", "image/webp")):
        if data.startswith(start):
            return kind
    return "image/png"
