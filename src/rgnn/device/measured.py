"""Measured conductance maps as they come: files, units, repeated reads, signed weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from rgnn.core.errors import InputError
from rgnn.device import archive, pickles

Unit = Literal["uS", "S", "ohm", "kohm", "normalised"]
Maps = Float[np.ndarray, "_ _ _"]
"""Reads × rows × columns, of maps of different sizes."""

_TO_MICROSIEMENS = {"uS": 1.0, "S": 1e6, "normalised": 1.0}
_RESISTANCE = {"ohm": 1.0, "kohm": 1e3}


@dataclass(frozen=True, eq=False)
class Measurement:
    """Maps [µS], or signed weights (`unit="normalised"`), each with all its reads."""

    maps: tuple[Maps, ...]
    names: tuple[str, ...]
    unit: Unit
    source: str

    @property
    def signed(self) -> bool:
        """Return whether the maps hold signed weights instead of cells."""
        return any((reads < 0).any() for reads in self.maps)

    @property
    def n_read(self) -> int:
        """Return how often each map was read."""
        return self.maps[0].shape[0]


def load(
    source: str | Path | np.ndarray | Mapping[str, np.ndarray],
    *,
    unit: Unit | None = None,
    array: str | None = None,
    repeats: bool | None = None,
) -> Measurement:
    """Return the maps in a file (.npz, .npy, .csv, .txt, .mat, .pkl) or in arrays.

    `unit` is guessed from names (`..._ohm`, `..._uS`) and magnitudes where not given; `array` picks
    one of several arrays; `repeats` says whether a leading axis counts reads of the same cells,
    which is guessed from how well they agree where not given.
    """
    arrays, name = _open(source)
    arrays = {key: np.squeeze(a).astype(float) for key, a in arrays.items() if np.size(a) > 1}
    if array is not None:
        if array not in arrays:
            raise InputError(f"{name}: no array '{array}'; it holds {', '.join(arrays)}")
        arrays = {array: arrays[array]}
    arrays = {key: a for key, a in arrays.items() if a.ndim in (2, 3)}
    if not arrays:
        raise InputError(f"{name}: no map of conductances (2-D, or 3-D with several reads) in it")
    for key, values in arrays.items():
        _refuse_nan(values, f"{name}, array '{key}'")
    chosen = unit or _guess_unit(arrays, name)
    maps = {
        key: reads
        for key, values in arrays.items()
        for key, reads in _split(key, _in_microsiemens(values, chosen, name), repeats).items()
    }
    maps = _merge_reads(maps, repeats)
    return Measurement(tuple(maps.values()), tuple(maps), chosen, name)


def _open(
    source: str | Path | np.ndarray | Mapping[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], str]:
    if isinstance(source, np.ndarray):
        return {"map": source}, "array"
    if isinstance(source, Mapping):
        return {key: np.asarray(value) for key, value in source.items()}, "arrays"
    path = Path(source)
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    if path.suffix in (".csv", ".txt", ".tsv", ".dat"):
        return {path.stem: _table(path)}, path.name
    if path.suffix == ".mat":
        return _matlab(path), path.name
    if path.suffix in (".pkl", ".pickle"):
        return pickles.read_file(path), path.name
    try:
        arrays = archive.load_arrays(path)
    except InputError:
        if path.suffix != ".npz":
            raise
        arrays = pickles.read_file(path)
    return {k: a for k, a in arrays.items() if np.issubdtype(a.dtype, np.number)}, path.name


def _table(path: Path) -> Float[np.ndarray, "n_row n_column"]:
    """Return the numbers of a text table, whatever separates them; one header line may lead."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and line[0] not in "#%"]
    rows = [line.replace(",", " ").replace(";", " ").split() for line in lines]
    if rows and not all(_is_number(word) for word in rows[0]):
        rows = rows[1:]
    for number, row in enumerate(rows, start=1):
        bad = next((word for word in row if not _is_number(word)), None)
        if bad is not None:
            raise InputError(f"{path.name}, data row {number}: '{bad}' is not a number")
        if len(row) != len(rows[0]):
            raise InputError(
                f"{path.name}, data row {number}: {len(row)} numbers, the first row has "
                f"{len(rows[0])}"
            )
    if not rows:
        raise InputError(f"{path.name}: holds no numbers")
    return np.array(rows, dtype=float)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _matlab(path: Path) -> dict[str, np.ndarray]:
    import scipy.io

    try:
        content = scipy.io.loadmat(path)
    except NotImplementedError as error:
        raise InputError(f"{path.name}: MATLAB 7.3 format; save it with -v7") from error
    except Exception as error:
        raise InputError(f"{path.name}: not a readable MATLAB file ({error})") from error
    return {
        key: value
        for key, value in content.items()
        if isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.number)
    }


def _refuse_nan(values: Float[np.ndarray, "..."], where: str) -> None:
    bad = np.isnan(values)
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"{where}: {bad.sum()} of {values.size} values are NaN, the first at {place}; replace "
            "them by 0 µS (an open cell) or cut the map to the part that was measured"
        )


def _guess_unit(arrays: Mapping[str, np.ndarray], name: str) -> Unit:
    for unit, endings in {
        "kohm": ("_kohm",),
        "ohm": ("_ohm", "_ohms"),
        "uS": ("_us", "_microsiemens"),
        "S": ("_s", "_siemens"),
    }.items():
        if all(key.lower().endswith(endings) for key in arrays):
            return unit  # pyright: ignore[reportReturnType]
    values = np.concatenate([a.ravel() for a in arrays.values()])
    if (values < 0).any():
        _refuse_few_negatives(arrays, name)
        return "normalised"
    positive = np.sort(values[(values > 0) & np.isfinite(values)])
    if not positive.size:
        raise InputError(f"{name}: every cell is 0; there is nothing to characterise")
    _refuse_mixed_units(positive, name)
    typical = float(np.median(positive))
    if typical < 1e-2:
        return "S"
    return "uS" if typical < 900 else "ohm"


def _refuse_few_negatives(arrays: Mapping[str, np.ndarray], name: str) -> None:
    """Signed weights have both signs about equally often; a few negatives are faulty cells."""
    negatives = sum(int((values < 0).sum()) for values in arrays.values())
    if negatives > 0.05 * sum(values.size for values in arrays.values()):
        return
    key, values = next((k, v) for k, v in arrays.items() if (v < 0).any())
    place = tuple(int(i) for i in np.argwhere(values < 0)[0])
    raise InputError(
        f"{name}: {negatives} values are negative, which no conductance is, first {place} of "
        f"'{key}'; set them to 0 (an open cell), or give the unit 'normalised' for signed weights"
    )


def _refuse_mixed_units(positive: Float[np.ndarray, " n"], name: str) -> None:
    """Two populations more than 10⁴ apart are no on/off ratio of one array but two units."""
    steps = np.diff(np.log10(positive))
    edge = int(np.argmax(steps)) if steps.size else 0
    minority = min(edge + 1, positive.size - edge - 1) / positive.size
    if steps.size and steps[edge] > 4 and minority > 0.01:
        raise InputError(
            f"{name}: values fall into two groups, up to {positive[edge]:.3g} and from "
            f"{positive[edge + 1]:.3g}: mixed units? Convert them, or give the unit if they are not"
        )


def _in_microsiemens(values: Float[np.ndarray, "..."], unit: Unit, name: str) -> np.ndarray:
    if unit in _TO_MICROSIEMENS:
        if unit != "normalised" and (values < 0).any():
            raise InputError(
                f"{name}: {(values < 0).sum()} values are negative, which no conductance is; for "
                "signed weights give the unit 'normalised'"
            )
        return values * _TO_MICROSIEMENS[unit]
    if (values <= 0).any():
        raise InputError(f"{name}: {(values <= 0).sum()} resistances are not positive")
    return 1e6 / (values * _RESISTANCE[unit])


def _split(key: str, values: np.ndarray, repeats: bool | None) -> dict[str, Maps]:
    """Return a 3-D array as one map with several reads, or as several maps."""
    if values.ndim == 2:
        return {key: values[None]}
    if repeats or (repeats is None and _agree(values)):
        return {key: values}
    return {f"{key}[{index}]": one[None] for index, one in enumerate(values)}


def _merge_reads(maps: dict[str, Maps], repeats: bool | None) -> dict[str, Maps]:
    """Return equally shaped single maps as reads of one map, if they agree."""
    shapes = {reads.shape for reads in maps.values()}
    if repeats is False or len(maps) < 2 or len(shapes) != 1 or next(iter(shapes))[0] != 1:
        return maps
    together = np.concatenate(list(maps.values()))
    if repeats or _agree(together):
        return {next(iter(maps)): together}
    return maps


def _agree(reads: Maps) -> bool:
    """Return whether maps are reads of the same cells: they correlate."""
    first, second = reads[0].ravel(), reads[1].ravel()
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return False
    return float(np.corrcoef(first, second)[0, 1]) > 0.5
