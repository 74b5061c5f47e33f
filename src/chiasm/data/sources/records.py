"""Your own records: a file of LLaVA's JSON, a list or one record a line, named in the mixture."""

from __future__ import annotations

from chiasm.data.sources._passing import passing_through
from chiasm.data.sources._source import Needed, Source

SOURCE = Source(
    about="your own LLaVA JSON, named under `files`",
    files=(Needed("records"),),
    records=lambda release: passing_through(release.files["records"], release),
)
