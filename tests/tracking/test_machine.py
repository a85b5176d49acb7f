"""How busy the machine is, from counters of the kind that Linux shows."""

import threading

import pytest

from sie.tracking.machine import ENABLE_VARIABLE, Machine, Watch, wanted


def counters(proc, busy, idle, received):
    (proc / "net").mkdir(exist_ok=True)
    (proc / "stat").write_text(f"cpu  {busy} 0 0 {idle} 0 0 0 0 5 0\ncpu0 1 1 1 1 0 0 0 0 0 0\n")
    (proc / "meminfo").write_text("MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 250 kB\n")
    (proc / "net" / "dev").write_text(
        "Inter-| Receive\n face |bytes\n"
        "    lo: 900 0 0 0 0 0 0 0 900 0\n"
        f"  eth0: {received} 0 0 0 0 0 0 0 7000000 0\n"
    )


def test_shares_are_those_since_the_last_look(tmp_path):
    counters(tmp_path, busy=100, idle=100, received=1_000_000)
    machine = Machine(tmp_path, tmp_path)
    counters(tmp_path, busy=130, idle=170, received=3_500_000)
    seen = machine.look()
    assert seen["system/cpu_utilization_percentage"] == pytest.approx(30)
    assert seen["system/system_memory_usage_percentage"] == pytest.approx(75)
    assert seen["system/system_memory_usage_megabytes"] == pytest.approx(0.768)
    assert seen["system/network_receive_megabytes"] == pytest.approx(2.5)
    assert seen["system/network_transmit_megabytes"] == 0
    assert "system/cpu_utilization_percentage" not in machine.look()


def test_without_counters_the_disk_alone_is_told(tmp_path):
    seen = Machine(tmp_path, tmp_path / "none").look()
    assert {name.partition("_")[0] for name in seen} == {"system/disk"}
    assert 0 <= seen["system/disk_usage_percentage"] <= 100


def test_the_watch_tells_until_it_is_ended(tmp_path):
    told, twice = [], threading.Event()

    def tell(metrics):
        told.append(metrics)
        if len(told) == 2:
            twice.set()

    watch = Watch(Machine(tmp_path), tell, seconds=0.01)
    assert twice.wait(20)
    watch.end()


def test_mlflows_own_variable_asks_for_them(monkeypatch):
    monkeypatch.delenv(ENABLE_VARIABLE, raising=False)
    assert not wanted()
    monkeypatch.setenv(ENABLE_VARIABLE, "true")
    assert wanted()
