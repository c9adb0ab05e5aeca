"""Page tokens: where a listing goes on, signed, and bound to the question it belongs to."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from compiler.service.faults import Fault, invalid


class Tokens:
    """secret: shared by all servers of a database."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, question: Any, last: Sequence[Any]) -> str:
        """question: JSON-able, what was asked. last: the sort key of the last row given."""
        place = json.dumps(list(last)).encode()
        return base64.urlsafe_b64encode(self._mac(question, place) + place).decode()

    def read(self, question: Any, token: str) -> list[Any]:
        """Raises Fault for a token that is forged, or of another question."""
        try:
            data = base64.b64decode(token, altchars=b"-_", validate=True)
        except ValueError:
            raise _foreign() from None
        mac, place = data[:32], data[32:]
        if not hmac.compare_digest(mac, self._mac(question, place)):
            raise _foreign()
        found: list[Any] = json.loads(place)
        return found

    def _mac(self, question: Any, place: bytes) -> bytes:
        asked = json.dumps(question, sort_keys=True).encode()
        return hmac.digest(self._secret, hashlib.sha256(asked).digest() + place, "sha256")


def _foreign() -> Fault:
    return invalid("The NextToken is invalid or does not belong to this request.")
