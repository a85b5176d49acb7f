import pytest
from pymatgen.core.structure import StructureError

from sie.datasets.cif import UnusableCif
from sie.errors import InputError
from sie.screening.attempts import Failed, attempt


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StructureError("two\n lines"), "StructureError: two lines"),
        (UnusableCif("no atoms", "x.cif"), "no atoms"),
        (InputError("structure : nothing is left"), "nothing is left"),
        (AssertionError(), "AssertionError"),
        (ValueError("x" * 1000), "ValueError: " + "x" * 148),
    ],
)
def test_whatever_is_raised_becomes_a_short_reason(error, reason):
    def fail():
        raise error

    with pytest.raises(Failed) as caught:
        attempt(fail)
    assert caught.value.reason == reason


def test_what_works_is_returned_and_an_interruption_goes_through():
    assert attempt(lambda: 3) == 3

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(stop)
