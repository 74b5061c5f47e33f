"""The command line: `frame` finds and runs verbs, every other file with a verb's name is that verb.

`chiasm.cli.train` has a function `train` with typer's annotations; a verb with sub-verbs has a typer application
called `app` instead (`chiasm.cli.data`). A verb is listed in `chiasm.cli.frame.VERBS` with its one-line help, and its
module is imported only when it is run: heavy imports still belong inside the function, so that its `--help` is fast.
"""

from chiasm.cli.frame import main

__all__ = ["main"]
