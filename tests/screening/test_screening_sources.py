import pytest
from ensemble_examples import rock_salt
from screening_examples import all_entries, mixed_folder, write_cifs

from sie.errors import InputError
from sie.screening.sources import open_source


def test_a_folder_gives_an_entry_a_file_and_a_reason_for_what_is_broken(tmp_path):
    entries = all_entries(open_source(str(mixed_folder(tmp_path / "cifs")), 4))
    assert [e.id for e in entries] == [
        "a-LiCl", "b-argyrodite", "c-broken", "d-NaCl", "e-skewed", "sub/f-LiI"
    ]  # fmt: skip
    assert [e.place for e in entries] == list(range(6))
    broken = entries[2]
    assert broken.structure is None
    assert broken.reason == "no atom positions"
    assert broken.file == "c-broken.cif"
    assert not entries[1].structure.is_ordered


@pytest.mark.parametrize("size", [1, 2, 5, 6, 100])
def test_shards_divide_a_source_without_loss(tmp_path, size):
    source = open_source(str(mixed_folder(tmp_path / "cifs")), size)
    assert len(source) == 6
    assert max(shard.count for shard in source.shards) <= size
    assert [e.id for e in all_entries(source)] == [
        e.id for e in all_entries(open_source(source.name))
    ]


def test_a_list_names_files_relative_to_it(tmp_path):
    write_cifs(tmp_path / "in", {"x": rock_salt(), "y": rock_salt()})
    (tmp_path / "list.txt").write_text("# two\nin/y.cif\n\nin/x.cif\nin/none.cif\n")
    entries = all_entries(open_source(str(tmp_path / "list.txt")))
    assert [e.id for e in entries] == ["in/y", "in/x", "in/none"]
    assert entries[2].reason.startswith("cannot be read")


def test_the_hash_follows_the_content(tmp_path):
    folder = mixed_folder(tmp_path / "cifs")
    before = open_source(str(folder)).hash
    assert open_source(str(folder), 2).hash == before
    (folder / "c-broken.cif").write_text("other")
    assert open_source(str(folder)).hash != before


@pytest.mark.parametrize(
    ("name", "said"),
    [("nothing", "no such file"), ("empty", "holds no .cif"), ("table.csv", "cannot read .csv")],
)
def test_what_is_no_source_is_refused_with_a_way_out(tmp_path, name, said):
    (tmp_path / "empty").mkdir()
    (tmp_path / "table.csv").write_text("id\n")
    with pytest.raises(InputError, match=said):
        open_source(str(tmp_path / name))
