import base64

import pytest

from compiler.service.faults import Fault
from compiler.service.tokens import Tokens

QUESTION = ["1", {"SortBy": "Name"}]


def test_a_token_leads_back_to_its_place() -> None:
    token = Tokens(b"secret").sign(QUESTION, (1.5, "job"))
    assert Tokens(b"secret").read(QUESTION, token) == [1.5, "job"]


def test_a_foreign_token_is_refused() -> None:
    tokens = Tokens(b"secret")
    token = tokens.sign(QUESTION, ("job",))
    data = bytearray(base64.urlsafe_b64decode(token))
    data[-2] ^= 1
    forged = base64.urlsafe_b64encode(data).decode()
    for question, given in (
        (["2", {"SortBy": "Name"}], token),
        (["1", {"SortBy": "Status"}], token),
        (QUESTION, forged),
        (QUESTION, Tokens(b"other").sign(QUESTION, ("job",))),
        (QUESTION, "AAAA"),
        (QUESTION, "no token"),
        (QUESTION, "\u00e9"),
    ):
        with pytest.raises(Fault, match="NextToken is invalid or does not belong"):
            tokens.read(question, given)
