"""The readers that `fuzz` feeds, each with well-formed files to begin from and words to put in.

What counts as a refusal on purpose stands here too: everything else that comes out is a finding.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

from sie.errors import InputError, SieError

NUMBERS = (
    "0",
    "1",
    "-1",
    ".5",
    "1e5",
    "1e-4",
    "-0",
    "+1",
    "00",
    "1e999",
    "-1e999",
    "1e-999",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "1/3",
    "1/0",
    "0/0",
    "1e999999999",
    "0x1F",
    "1_000",
    "1,5",
    "1.2.3",
    "12:30:45",
    "2024-13-45",
    "9999999999999999999999",
    "0.33333",
    "1.0000001",
    "(2)",
    "1(2)",
    "٣",
    "½",
    "²",
    "10^5",
)
MARKS = (
    "\x00",
    "\r",
    "\r\n",
    "\n",
    "\n\n",
    "\t",
    '"',
    "'",
    "''",
    '""',
    ";",
    ",",
    "\\",
    "#",
    ":",
    "-",
    "?",
    ".",
    "_",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "&",
    "*",
    "!",
    "%",
    "@",
    "`",
    "<",
    ">",
    "=",
    "~",
)
STRANGE = (
    "é",
    "\ufeff",
    "\u2028",
    "\x85",
    "\ud7ff",
    "İ",
    "ß",
    "𝟙",
    "a" * 300,
    "1" * 400,
    "'" * 300,
)
COMMON = (
    *(text.encode() for text in (*NUMBERS, *MARKS, *STRANGE)),
    *(b"\xff\xfe", b"\x80", b""),
)


@dataclass(frozen=True)
class Target:
    """A reader and what to feed it with.

    Attributes
    ----------
    name, suffix : str
        Of the target, and of files for it.
    read : callable
        Takes an input and a folder to work in.
    make_seeds : callable
        Makes well-formed files.
    words : str
        Of the format, separated by blanks.
    refusal : type or tuple of types
        Exceptions that are right.
    share : int
        Of the inputs.
    binary : bool
        No words and lines to exchange.
    """

    name: str
    suffix: str
    read: Callable[[bytes, Path], object]
    make_seeds: Callable[[], tuple[bytes, ...]]
    words: str = ""
    refusal: type[Exception] | tuple[type[Exception], ...] = InputError
    share: int = 1
    binary: bool = False
    most_bytes: int = 50_000

    @cached_property
    def seeds(self) -> tuple[bytes, ...]:
        """What is changed."""
        return self.make_seeds()

    @cached_property
    def tokens(self) -> tuple[bytes, ...]:
        """What is put in."""
        return (*COMMON, *(word.encode() for word in self.words.split()))


CELL = (
    "data_x\n_cell_length_a 5\n_cell_length_b 5.5\n_cell_length_c 6\n"
    "_cell_angle_alpha 90\n_cell_angle_beta 95\n_cell_angle_gamma 90\n"
)
ATOMS = (
    "loop_\n_atom_site_label\n_atom_site_type_symbol\n_atom_site_fract_x\n_atom_site_fract_y\n"
    "_atom_site_fract_z\n_atom_site_occupancy\n{}\n"
)
TWO = ATOMS.format("Li1 Li1+ 0 0 0 1\nCl1 Cl1- .5 .5 .5 0.5(1)\nBr1 Br1- .5 .5 .5 0.5")
CIFS = (
    CELL + "_symmetry_space_group_name_H-M 'P 1'\n" + TWO,
    CELL + "loop_\n_symmetry_equiv_pos_as_xyz\n'x,y,z'\n'-x,-y,-z'\n'x+1/2,1/2-y,z'\n" + TWO,
    CELL
    + "_symmetry_Int_Tables_number 12\nloop_\n_atom_type_symbol\n_atom_type_oxidation_number\n"
    + "Li1+ 1\nCl1- -1\nBr1- -1\n"
    + TWO,
    CELL + "_space_group_name_H-M_alt 'C 1 2/c 1'\n_chemical_formula_sum 'Li2 (Cl Br)2'\n" + TWO,
    CELL
    + "loop_\n_space_group_symop_magn_operation.xyz\nx,y,z,+1\n-x,-y,-z,-1\n"
    + "loop_\n_atom_site_moment_label\n_atom_site_moment_crystalaxis_x\n"
    + "_atom_site_moment_crystalaxis_y\n_atom_site_moment_crystalaxis_z\nLi1 0 0 1\n"
    + TWO,
    CELL
    + "_space_group_magn.number_BNS 2.4\n"
    + "_space_group_magn.transform_BNS_Pp_abc 'a,b,c;0,0,0'\n"
    + TWO,
    CELL + ATOMS.format("Li1 Li 0 0 0 1\n'Nb,Zr' '0.8Nb + 0.2Zr' .5 .5 .5 1\nD1 D .2 .2 .2 1"),
    CELL
    + "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
    + "Li1 0 0 0\nOW .5 .5 .5\nWat .25 0 0\n",
    "data_global\n_publ_section_title\n;\na 'title' with \"quotes\"\n;\n# a note\n" + CELL + TWO,
    "data_x\n_symmetry_cell_setting cubic\n_cell_length_a 5\n" + TWO,
)
CIF_WORDS = (
    "data_ data_y loop_ save_ _eof Li Li+ Li1+ Cl- H D T Va X Xx Wat OH Fe3+ Li,Na 0.5Li+0.5Na "
    "x,y,z -x,y+1/2,-z x-y,x,z+1/6 1/0x,y,z x,y,z,-1 _cell_length_a _cell_angle_gamma "
    "_atom_site_label _atom_site_type_symbol _atom_site_fract_x _atom_site_fract_y "
    "_atom_site_occupancy _atom_type_symbol _atom_type_oxidation_number "
    "_atom_site_attached_hydrogens _symmetry_equiv_pos_as_xyz _space_group_symop_operation_xyz "
    "_symmetry_Int_Tables_number _space_group_IT_number _symmetry_space_group_name_H-M P1 Pnma "
    "_symmetry_cell_setting cubic hexagonal _space_group_magn.name_BNS _cell_wave_vector "
    "_space_group_symop_magn_operation.xyz _space_group_magn.transform_BNS_Pp_abc 9**9**9**9"
)


def _cif(data: bytes, work: Path) -> object:
    from sie.datasets.cif import read_cif

    (work / "x.cif").write_bytes(data)
    structure = read_cif(work / "x.cif")
    if not all(site.species.num_atoms <= 1 + 1e-6 for site in structure):
        raise AssertionError("a site holds more than one atom")
    return structure


TABLES = (
    "id,sigma,doi,family\na,1e-4,10.1/x,garnet\nb,<1e-10,,\n",
    "ICSD code;log10 sigma;temperature_K;class\n1;-3.5;300;1\n1;-3.0;350;\na;-2,5;400;1\n",
    "entry\tconductivity (S/cm)\tT_C\tsplit\na\t3.4(2)e-5\t25\ttrain\nb\t1.2×10⁻⁴\tRT\ttest\n",
    '\ufeffid,class\n"a",1\n"b","no"\n',
)
TABLE_WORDS = (
    "id icsd sigma log10_sigma class temperature_K temperature_C doi family split a b train test "
    "superionic yes RT 25°C 300K <1e-3 >1e-3 ≤1e-9 1.2×10⁻⁴ 10^-5 -300 n/a"
)


def _table(data: bytes, work: Path) -> object:
    from sie.datasets import table

    cifs = work / "cifs"
    if not cifs.exists():
        cifs.mkdir()
        for name in ("a", "b", "icsd_0001"):
            (cifs / f"{name}.cif").write_text(CELL + ATOMS.format("L Li 0 0 0 1\nC Cl .5 .5 .5 1"))
    (work / "table.csv").write_bytes(data)
    database = table.load(work / "table.csv")
    return database.hash if len(database) else None


def _values(data: bytes, work: Path) -> object:
    from sie.datasets import values

    text, done = data.decode("utf-8", "replace"), 0
    for parse in (
        values.parse_number,
        values.parse_class,
        values.parse_conductivity,
        values.parse_temperature,
        lambda text: values.parse_conductivity(text, log10=True),
        lambda text: values.parse_temperature(text, celsius=True),
    ):
        try:
            parse(text)
            done += 1
        except values.UnusableValue:
            continue
    return done


def _clusters(data: bytes, work: Path) -> object:
    from sie.splits.clusters_file import read_clusters

    (work / "clusters.csv").write_bytes(data)
    return read_clusters(work / "clusters.csv", ["a", "b"])


OBELIX = (
    "ID,Reduced Composition,Ionic conductivity (S cm-1),Family,DOI\n"
    "a,LiCl,1e-4,halide,10.1/x\nb,LiBr,<1E-10,halide,10.1/y\n"
)


def _archive_of(texts: Mapping[str, str], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, text in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _obelix(data: bytes, work: Path) -> object:
    from sie.datasets import obelix

    (work / "all.csv").write_bytes(data)
    if not (work / "all_cifs.tar.gz").exists():
        (work / "all_cifs.tar.gz").write_bytes(_archive_of({"cifs/a.cif": CIFS[0]}))
        (work / "test.csv").write_text(OBELIX)
    return obelix.load(work).hash


def _archive(data: bytes, work: Path) -> object:
    from sie.datasets.obelix import read_archive

    (work / "a.tar.gz").write_bytes(data)
    return read_archive(work / "a.tar.gz")


@cache
def _starter_files() -> tuple[bytes, bytes]:
    prototypes = (
        "version: 1\nprototypes:\n  salt:\n    space_group: 1\n    sites:\n"
        "      A: [0, 0, 0]\n      B: [0.5, 0.5, 0.5, Cl]\n"
    )
    members = (
        "id,family,prototype,formula,occupancies,a_A,b_A,c_A,alpha_deg,beta_deg,gamma_deg,"
        "sigma_S_per_cm,censored,doi,evidence,note\n"
        "lic,salt,salt,LiCl,A=Li:1/2+Na:0.25,5,5,5,90,90,90,1e-5,no,10.1234/x,confirmed,\n"
    )
    return prototypes.encode(), members.encode()


def _starter(data: bytes, work: Path, place: int = 1) -> object:
    from sie.datasets import starter

    for i, name in enumerate((starter.PROTOTYPES_FILE, starter.MEMBERS_FILE)):
        (work / name).write_bytes(data if i == place else _starter_files()[i])
    return [starter.build(member) for member in starter.read_members(work)]


SPACES = (
    b"format: 1\nname: quick\nparameters:\n  init_lr: {choice: [4.0e-5, 1.0e-4]}\n"
    b"  max_lr: {loguniform: [1.0e-3, 7e-3]}\n  batch_size: {value: 32}\n"
    b"  dropout_phi: &d {uniform: [0.1, 0.3]}\n  dropout_rho: *d\n  n_layers: {choice: [2, 3]}\n",
    b"parameters:\n  l2_phi:\n    choice:\n    - 1e-4\n    - .1\n  n_neurons:\n    value: 64\n",
    b'{"parameters": {"n_layers": {"value": 2}}}',
)
SPACE_WORDS = (
    "choice uniform loguniform value init_lr max_lr batch_size dropout_phi l2_phi n_layers format "
    "name parameters &a *a <<: !!int !!float !!python/object:os.system !!set !!binary !!timestamp "
    "!!omap --- ... | > ? null ~ true yes 0b11 0o17 1:60 2001-12-14 .inf .nan %YAML [[[[[[[[[[["
)


def _space(data: bytes, work: Path) -> object:
    from sie.search.space import read_space

    (work / "space.yaml").write_bytes(data)
    return read_space(work / "space.yaml").hash


def _salt() -> Any:
    from pymatgen.core import Lattice, Structure

    return Structure(Lattice.cubic(3.1), ["Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


@cache
def _json_lines() -> tuple[bytes, ...]:
    plain = _salt().as_dict()
    lines = (
        {"id": "a", "structure": plain, "band_gap": 3.1},
        {"id": "b", "cif": CIFS[0]},
        plain,
    )
    return tuple((json.dumps(line) + "\n").encode() for line in lines)


def _read_json_lines(data: bytes, work: Path) -> object:
    from sie.screening.tables import open_json_lines

    (work / "x.jsonl").write_bytes(data)
    source = open_json_lines("x.jsonl", work / "x.jsonl", 3)
    return [entry for shard in source.shards for entry in source.reader.read(shard)]


@cache
def _parquets() -> tuple[bytes, ...]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from sie.datasets.crystal_columns import crystal_columns

    salts = {"a": _salt(), "b": _salt()}
    ids = {"id": pa.array(["a", "b"])}
    numbers = {
        "lattice": [[3.1, 0, 0, 0, 3.1, 0, 0, 0, 3.1]] * 2,
        "numbers": [[3, 17]] * 2,
        "frac_coords": [[0, 0, 0, 0.5, 0.5, 0.5]] * 2,
        "band_gap": [1.0, None],
        "is_metal": [True, False],
    }
    files = []
    for columns in (crystal_columns(salts), numbers, {"cif": [CIFS[0], CIFS[1]]}):
        sink = io.BytesIO()
        pq.write_table(pa.table({**ids, **columns}), sink, compression="none")
        files.append(sink.getvalue())
    return tuple(files)


def _parquet(data: bytes, work: Path) -> object:
    from sie.screening.tables import open_parquet

    (work / "x.parquet").write_bytes(data)
    source = open_parquet("x.parquet", [work / "x.parquet"], 3)
    return [entry for shard in source.shards for entry in source.reader.read(shard)]


def _pretraining(data: bytes, work: Path) -> object:
    from sie.pretraining.sources import from_parquet

    (work / "x.parquet").write_bytes(data)
    return list(from_parquet(work / "x.parquet"))


def _listed(data: bytes, work: Path) -> object:
    from sie.screening.sources import open_source

    (work / "a.cif").write_text(CIFS[0])
    (work / "list.txt").write_bytes(data)
    source = open_source(str(work / "list.txt"))
    return [entry for shard in source.shards for entry in source.reader.read(shard)]


def _documents(data: bytes, work: Path) -> object:
    from sie.screening.materials_project import table_of

    try:
        documents = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(documents, list) or not all(isinstance(item, dict) for item in documents):
        return None
    return table_of(documents)


@cache
def _answers() -> tuple[bytes, ...]:
    plain = _salt().as_dict()
    return (
        json.dumps(
            [{"material_id": "mp-1", "formula_pretty": "LiCl", "band_gap": 6, "structure": plain}]
        ).encode(),
    )


@cache
def _records() -> tuple[tuple[str, bytes], ...]:
    import tempfile

    from sie.datasets import table
    from sie.datasets.storage import DataRecord, save_record

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "a.cif").write_text(CIFS[0])
        (home / "x.csv").write_text("id,sigma\na,1e-4\nb,1e-3\n")
        save_record(home / "record", DataRecord(table.load(home / "x.csv")))
        return tuple((f.name, f.read_bytes()) for f in sorted((home / "record").iterdir()))


def _record(data: bytes, work: Path) -> object:
    from sie.datasets.storage import load_record

    for name, kept in _records():
        (work / name).write_bytes(data if name.endswith(".json") else kept)
    return load_record(work).database.hash


def _as_bytes(texts: tuple[str, ...]) -> Callable[[], tuple[bytes, ...]]:
    return lambda: tuple(text.encode() for text in texts)


def _archives() -> tuple[bytes, ...]:
    texts = {"cifs/a.cif": CIFS[0], "../b.cif": "x", "/c.cif": "", "d" * 150 + ".cif": "y"}
    return tuple(_archive_of(texts, mode) for mode in ("w:", "w:", "w:gz", "w:bz2", "w:xz"))


_STARTER_WORDS = (
    "Li Na Cl Xx vacant A B C A=Li B=vacant A=Li:1/0 A=Li:1e999999999 1/3 yes no salt "
    "space_group sites version prototypes 227 231 10.1234/x confirmed adopted &a *a [[[[ <<:"
)
_JSON_WORDS = (
    "id structure cif band_gap sites lattice matrix species element occu abc xyz label properties "
    "oxidation_state charge @module @class builtins os.system Li Xx null true {} [] [[[[[[ \\u0000"
)

TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        Target("cif", ".cif", _cif, _as_bytes(CIFS), CIF_WORDS, share=40),
        Target("table", ".csv", _table, _as_bytes(TABLES), TABLE_WORDS, share=20),
        Target(
            "values", ".txt", _values, _as_bytes(tuple(TABLE_WORDS.split())), TABLE_WORDS, share=20
        ),
        Target(
            "clusters",
            ".csv",
            _clusters,
            _as_bytes(("id,cluster\na,0\nb,12\n", '\ufeffcluster, id ,x\n"1","a",\n0,b,7\n')),
            "id cluster a b 0 1 -1",
            share=10,
        ),
        Target(
            "obelix", ".csv", _obelix, _as_bytes((OBELIX,)), "a b ID DOI <1E-10 Family", share=5
        ),
        Target("archive", ".tar", _archive, _archives, "ustar /../a.cif", share=5, binary=True),
        Target(
            "starter-csv", ".csv", _starter, lambda: _starter_files()[1:], _STARTER_WORDS, share=5
        ),
        Target(
            "starter-yaml",
            ".yaml",
            partial(_starter, place=0),
            lambda: _starter_files()[:1],
            _STARTER_WORDS,
            share=5,
        ),
        Target("space", ".yaml", _space, lambda: SPACES, SPACE_WORDS, share=25),
        Target(
            "list", ".txt", _listed, _as_bytes(("a.cif\n# no\nb.cif\n",)), "../ / ~ a.cif", share=3
        ),
        Target("json-lines", ".jsonl", _read_json_lines, _json_lines, _JSON_WORDS, share=15),
        Target("parquet", ".parquet", _parquet, _parquets, "id cif", share=8, binary=True),
        Target(
            "pretraining",
            ".parquet",
            _pretraining,
            lambda: _parquets()[1:2],
            "id",
            share=4,
            binary=True,
        ),
        Target("documents", ".json", _documents, _answers, _JSON_WORDS, SieError, share=5),
        Target(
            "record",
            ".json",
            _record,
            lambda: tuple(data for name, data in _records() if name.endswith(".json")),
            "format version hash left_out duplicates provenance name null {} []",
            share=5,
        ),
    )
}
"""By name; some thousand inputs of each take a minute or two."""
