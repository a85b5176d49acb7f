"""Lines that outlive a process killed at any moment, and a full disk."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sie.tracking.journal import Journal

VALUES = st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.floats(0, 1)))


@given(values=st.lists(VALUES, max_size=5), cut=st.integers(0, 400))
def test_a_cut_costs_the_line_it_hits_and_those_after_it(tmp_path_factory, values, cut):
    journal = Journal("j", [tmp_path_factory.mktemp("j")])
    assert sum(map(journal.append, values)) == len(values)
    assert journal.values() == values
    if values:
        content = journal.path.read_bytes()[:cut]
        journal.path.write_bytes(content)
        whole = content.count(b"\n")
        journal.append({"after": 1})
        kept = journal.values()
        assert kept[:whole] == values[:whole]
        assert kept[-1] == {"after": 1}


def test_another_folder_is_used_when_the_first_takes_nothing(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    journal = Journal("j", [tmp_path / "file", tmp_path / "second"])
    assert journal.append({"a": 1})
    assert journal.append({"a": 2})
    assert journal.values() == [{"a": 1}, {"a": 2}]
    assert journal.path == tmp_path / "second" / "j"
    (message,) = caplog.messages
    assert message.endswith(f"{tmp_path / 'second' / 'j'} is written instead")
    journal.remove()
    assert journal.values() == []


def test_no_folder_at_all_is_said_once_and_no_exception(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    journal = Journal("j", [tmp_path / "file"])
    assert not journal.append({"a": 1})
    assert not journal.append({"a": 2})
    (message,) = caplog.messages
    assert message.endswith("what ends is in memory alone until it is recorded")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_sends_lines_elsewhere(tmp_path):
    (tmp_path / "j").symlink_to("/dev/full")
    journal = Journal("j", [tmp_path, tmp_path / "second"])
    assert journal.append({"a": 1})
    assert journal.path.parent in (tmp_path, tmp_path / "second")
    assert (tmp_path / "second" / "j").read_text() == '{"a": 1}\n'


def test_what_append_has_returned_from_survives_kill_9(tmp_path):
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from sie.tracking.journal import Journal
        journal = Journal("j", [Path(sys.argv[1])])
        for number in range(100_000):
            journal.append({"number": number, "filling": "x" * 5000})
            print(number, flush=True)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as writing:
        for _ in range(20):
            last = int(writing.stdout.readline())
        writing.send_signal(signal.SIGKILL)
    numbers = [value["number"] for value in Journal("j", [tmp_path]).values()]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > last
