"""Canonical JSON (RFC 8785) in the server and in the SDK: two implementations, the same bytes, the same digest."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fixtures.asking import ORDER
from tests.ledger import proves

from remit import canonical as sdk
from remit import details as sdk_details
from remit_server.catalog.load import detail_types
from remit_server.errors import InvalidDetails
from remit_server.rules.details import EXACT, canonical, digest, judge, parse
from remit_server.rules.reading import read

# RFC 8785 appendix B: IEEE 754 bits, and how ECMAScript writes them.
NUMBERS = [
    ("0000000000000000", "0"), ("8000000000000000", "0"), ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"), ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"), ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"), ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"), ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"), ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"), ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"), ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"), ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"), ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"), ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]  # fmt: skip
BOTH = [pytest.param(canonical, id="server"), pytest.param(sdk.dumps, id="sdk")]


@pytest.mark.parametrize("write", BOTH)
@pytest.mark.parametrize(("bits", "text"), NUMBERS)
@proves("details.one-digest")
def test_numbers(write: Any, bits: str, text: str) -> None:
    assert write(struct.unpack(">d", bytes.fromhex(bits))[0]).decode() == text


@pytest.mark.parametrize("write", BOTH)
@proves("details.one-digest")
def test_the_example_of_section_3_2_2(write: Any) -> None:
    value = json.loads(
        r"""{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
             "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"""
    )
    assert (
        write(value)
        == (
            r'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
            r'"string":"€$\u000f\nA' + "'" + r'B\"\\\\\"/"}'
        ).encode()
    )


@pytest.mark.parametrize("write", BOTH)
@proves("details.one-digest")
def test_members_are_sorted_by_utf16_code_units(write: Any) -> None:
    names = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\u00f6": 7}  # section 3.2.3
    assert list(json.loads(write(names)).values()) == [2, 4, 6, 7, 1, 5, 3]


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 2**53, -(2**53), "\ud800", {"\udfff": 1}, ["\ud83d"], {1: 2}, {1}, b"x"]
)
def test_what_readers_do_not_agree_on_is_refused_by_both(value: Any) -> None:
    with pytest.raises(InvalidDetails):
        canonical(value)
    with pytest.raises((ValueError, TypeError)):
        sdk.dumps(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-EXACT, EXACT) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=5)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
@proves("details.one-digest")
def test_both_write_the_same_bytes(value: Any) -> None:
    text = canonical(value)
    assert sdk.dumps(value) == text
    assert sdk.dumps(json.loads(text, parse_int=float)) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_as_itself(value: float) -> None:
    assert float(sdk.dumps(value)) == value


@proves("details.one-digest")
def test_both_name_a_request_alike() -> None:
    name = "CL1OyqUSMWL9tTvEWrqtsHRxw9Gx6790RPBXQUjdB9c"
    assert digest((ORDER,)) == name
    assert sdk_details.digest(sdk_details.as_list(dict(reversed(ORDER.items())))) == name


@pytest.mark.parametrize("written", ["10", "10.0", "1e1", "100E-1"])
@proves("details.one-digest")
def test_ten_is_ten_however_it_is_written(written: str) -> None:
    """A fact that depends on a whole number is there for each way of writing one, and so is the digest."""
    text = json.dumps([ORDER]).replace('"quantity": 10', f'"quantity": {written}')
    (detail,) = judge(text, detail_types(), ["trade_order"])
    assert type(detail["quantity"]) is int
    assert digest((detail,)) == digest((ORDER,))
    assert read(detail, detail_types()["trade_order"]) == read(ORDER, detail_types()["trade_order"])


@pytest.mark.parametrize("written", ["9007199254740992", "9007199254740992.0", "1e16", "1e22", "1e400"])
def test_a_whole_number_that_is_not_exact_is_refused(written: str) -> None:
    with pytest.raises(InvalidDetails):
        judge(f'[{{"type": "other", "a": {written}}}]', {}, (), ["other"])


def test_minus_nothing_is_nothing() -> None:
    assert canonical(parse('[{"a": -0.0}]')) == b'[{"a":0}]'
