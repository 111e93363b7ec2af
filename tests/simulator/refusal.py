"""An answer that refuses, in Pipedrive's error envelope."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):  # noqa: N818 - an answer, not a fault of the program
    """A request that is answered with *status* and an error text."""

    def __init__(self, status: int, error: str, code: str = "", info: str = "") -> None:
        super().__init__(error)
        self.status, self.error, self.code, self.info = status, error, code, info

    def envelope(self) -> dict[str, Any]:
        out: dict[str, Any] = {"success": False, "error": self.error, "error_info": self.info}
        out["errorCode"] = self.status
        if self.status == 401:
            out["error_info"] = "Please check the credentials of your request."
        if self.code:
            out["code"] = self.code
        return out


def invalid(error: str) -> Refusal:
    """400 for a request that does not keep to the specification."""
    return Refusal(400, error, "ERR_SCHEMA_VALIDATION_FAILED")


def missing(what: str, key: object) -> Refusal:
    return Refusal(404, f"{what} {key} not found")
