"""What a client is told when its request is refused: a status, a sentence, and nothing about this machine."""

from __future__ import annotations

from collections.abc import Mapping


class Refused(Exception):
    """A request that gets no answer: `status`, and OpenAI's `message`, `type`, `param` and `code`.

    `retry_after` is in seconds. `close`: the connection is of no further use, its body was not read to the end.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code
        self.retry_after, self.close = retry_after, close

    def forget(self) -> None:
        """Let go of the frames it came through, which may hold pictures: tasks that failed refer back to them."""
        error: BaseException | None = self
        while error is not None:
            error.__traceback__ = None
            error = error.__context__

    @property
    def type(self) -> str:
        """OpenAI's word for the kind of error."""
        known = {401: "authentication_error", 429: "rate_limit_error"}
        return known.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")

    @property
    def body(self) -> dict[str, object]:
        """The error as OpenAI writes it."""
        return {"error": {"message": str(self), "type": self.type, "param": self.param, "code": self.code}}

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers beside the usual ones."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return {**headers, "Connection": "close"} if self.close else headers


def broken() -> Refused:
    """The error of our own faults, which says nothing."""
    return Refused(500, "the server failed to answer; its log says why", code="internal_error")
