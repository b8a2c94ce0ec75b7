"""OpenMX files: what is read, and what is refused."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from rgnn.core.errors import InputError
from rgnn.io.openmx import read_scfout

RAW = Path(__file__).parents[2] / "../shared/data/graphene_openmx/raw"
needs_raw = pytest.mark.skipif(not RAW.exists(), reason="needs ../shared/data (OpenMX output)")


@pytest.fixture(scope="module")
def unit() -> bytes:
    return gzip.decompress((RAW / "unit.scfout.gz").read_bytes())


@needs_raw
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:5000], "truncated"),
        (lambda data: data[:-130_000], "truncated"),
        (lambda data: data[:4] + np.int32(4 * 2).tobytes() + data[8:], "format 2 is not known"),
        (lambda data: data[:4] + np.int32(4 * 3 + 3).tobytes() + data[8:], "non-collinear"),
        (lambda data: data.replace(b"C6.0-s2p2d1", b"C6.0-s2p2g1"), "shells other than"),
        (lambda data: data.replace(b"C6.0-s2p2d1", b"C6.0-s2p2d2"), "do not add up"),
        (lambda data: data.replace(b"C6.0-s2p2d1", b"X6.0-s2p2d1").replace(b" C X", b" Q X"), None),
    ],
)
def test_damaged_files_are_refused_in_one_line(unit, tmp_path, change, message):
    path = tmp_path / "damaged.scfout"
    path.write_bytes(change(unit))
    with pytest.raises(InputError, match=message) as raised:
        read_scfout(path)
    assert "damaged.scfout" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_scfout(tmp_path / "nothing.scfout")


@needs_raw
def test_gzipped_and_plain_are_the_same(unit, tmp_path):
    plain = tmp_path / "unit.scfout"
    plain.write_bytes(unit)
    one, other = read_scfout(plain), read_scfout(RAW / "unit.scfout.gz")
    np.testing.assert_array_equal(one.hamiltonian, other.hamiltonian)
    assert one.shells == other.shells == {6: (0, 0, 1, 1, 2)}
