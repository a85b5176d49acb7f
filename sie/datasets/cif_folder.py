"""A folder of CIFs whose files are found by the ids of a table, ICSD codes among them.

Only names are matched here, by listing the folder; ids never become paths.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from sie.datasets.cif import UnusableCif, read_cif
from sie.errors import InputError

if TYPE_CHECKING:
    from pymatgen.core import Structure

_CODE = re.compile(
    r"(?:icsd|collcode|collectioncode|entry|with|[\s_-])*0*(\d+)(?:[\s_-]*icsd)?", re.IGNORECASE
)


class CifFolder:
    """The CIFs of one folder, found by the ids of a table.

    Parameters
    ----------
    folder : Path
        Searched without its subfolders.

    Raises
    ------
    InputError
        When the folder cannot be listed or holds no CIF.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        self._by_code: dict[int, list[Path]] = defaultdict(list)
        try:
            paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".cif")
        except OSError as error:
            raise InputError(f"CIF folder {folder}: {error.strerror}; give another one") from error
        if not paths:
            raise InputError(f"CIF folder {folder} holds no .cif file; give another one")
        for path in paths:
            self._by_stem[path.stem.lower()].append(path)
            if (code := collection_code(path.stem)) is not None:
                self._by_code[code].append(path)

    def find(self, entry: str) -> Path:
        """Return the file of an id: by its name, else by its ICSD collection code.

        Raises
        ------
        UnusableCif
            When no file or more than one belongs to the id.
        """
        found = self._by_stem.get(entry.lower(), [])
        if len(found) > 1:
            found = [path for path in found if path.stem == entry] or found
        code = collection_code(entry)
        if not found and code is not None:
            found = self._by_code.get(code, [])
        if not found:
            raise UnusableCif("no CIF")
        if len(found) > 1:
            raise UnusableCif("more than one CIF fits the id", found[1].name)
        return found[0]

    def crystal_of(self, entry: str) -> tuple[Structure, str]:
        """Return the crystal of an id and the name of its file.

        Raises
        ------
        UnusableCif
            When there is no such file or it gives no usable crystal.
        """
        path = self.find(entry)
        return read_cif(path), path.name


def collection_code(text: str) -> int | None:
    """Return the ICSD code in "12345", "icsd_012345", "EntryWithCollCode12345", "12345-ICSD"."""
    match = _CODE.fullmatch(text.strip().removesuffix(".0"))
    return int(match[1]) if match and len(match[1]) < 20 else None
