"""Finding the memory limit and the processors, on made-up /proc and /sys trees."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from app import hosting

GIB = 1 << 30


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with 8 GB and no control group."""
    write(tmp_path, "proc/meminfo", "MemTotal:        8388608 kB\nMemFree:  100 kB\n")
    write(tmp_path, "proc/self/cgroup", "0::/\n")
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def detect(root: Path, **environ: str) -> hosting.Host:
    return hosting.detect(root, environ)


def test_without_any_limit_the_machines_memory_counts(root: Path) -> None:
    host = detect(root)
    assert (host.memory_limit_mb, host.memory_limit_source) == (8192, "MemTotal")
    assert not host.constrained
    assert host.platform == "local"


def test_a_v2_group_limits_and_the_word_max_does_not(root: Path) -> None:
    write(root, "sys/fs/cgroup/memory.max", "max\n")
    write(root, "proc/self/cgroup", "0::/web/1\n")
    write(root, "sys/fs/cgroup/web/1/memory.max", str(512 << 20))
    host = detect(root)
    assert (host.memory_limit_mb, host.memory_limit_source) == (512, "cgroup v2 memory.max")
    assert host.cgroup == root / "sys/fs/cgroup/web/1"
    assert host.constrained


def test_a_parent_of_the_v2_group_limits_too(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/web/1\n")
    write(root, "sys/fs/cgroup/web/1/memory.max", str(2 * GIB))
    write(root, "sys/fs/cgroup/web/memory.max", str(300 << 20))
    assert detect(root).memory_limit_mb == 300


def test_memory_high_of_v2_limits_as_well(root: Path) -> None:
    write(root, "sys/fs/cgroup/memory.max", str(2 * GIB))
    write(root, "sys/fs/cgroup/memory.high", str(400 << 20))
    assert detect(root).memory_limit_mb == 400


def test_a_v2_path_of_the_host_that_a_container_does_not_see_falls_back_to_the_mount(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/docker/abc\n")
    write(root, "sys/fs/cgroup/memory.max", str(256 << 20))
    assert detect(root).memory_limit_mb == 256


def test_a_v2_path_outside_the_mount_is_not_followed(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/../../secret\n")
    write(root, "sys/fs/secret/memory.max", "1048576")
    assert detect(root).memory_limit_mb == 8192


def test_a_v1_group_and_its_parents_limit_beside_a_hybrid_v2(root: Path) -> None:
    write(root, "proc/self/cgroup", "9:cpu,cpuacct:/\n4:memory:/jobs/7\n0::/\n")
    write(root, "sys/fs/cgroup/unified/cgroup.procs", "")
    write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    write(root, "sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", str(384 << 20))
    write(root, "sys/fs/cgroup/memory/jobs/7/memory.limit_in_bytes", str(512 << 20))
    host = detect(root)
    assert (host.memory_limit_mb, host.memory_limit_source) == (384, "cgroup v1 memory.limit_in_bytes")


def test_the_v1_number_that_means_no_limit_is_none(root: Path) -> None:
    write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    assert detect(root).memory_limit_source == "MemTotal"


def test_the_least_of_setting_and_group_counts(root: Path) -> None:
    write(root, "sys/fs/cgroup/memory.max", str(512 << 20))
    assert detect(root, MEMORY_LIMIT_MB="300").memory_limit_mb == 300
    assert detect(root, MEMORY_LIMIT_MB="900").memory_limit_mb == 512


def test_an_rlimit_counts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def limited(kind: int) -> tuple[int, int]:
        size = 700 << 20 if kind == resource.RLIMIT_AS else resource.RLIM_INFINITY
        return size, size

    monkeypatch.setattr(resource, "getrlimit", limited)
    host = detect(root)
    assert (host.memory_limit_mb, host.memory_limit_source) == (700, "RLIMIT_AS")


def test_a_machine_without_proc_still_has_a_limit(tmp_path: Path) -> None:
    assert detect(tmp_path).memory_limit_mb > 0


@pytest.mark.parametrize(
    ("variable", "platform", "constrained"),
    [
        ("RAILWAY_ENVIRONMENT_NAME", "railway", True),
        ("DYNO", "heroku", True),
        ("RENDER", "render", False),
        ("FLY_APP_NAME", "fly", False),
    ],
)
def test_platforms_are_known_by_their_variables_and_the_small_ones_are_constrained(
    root: Path, variable: str, platform: str, constrained: bool
) -> None:
    host = detect(root, **{variable: "web.1"})
    assert (host.platform, host.constrained) == (platform, constrained)


def test_the_deployers_word_constrains_a_big_host_and_frees_a_big_railway_host(root: Path) -> None:
    assert detect(root, MEMORY_CONSTRAINED="1").constrained
    assert detect(root, MEMORY_CONSTRAINED="yes").constrained_because == "MEMORY_CONSTRAINED is set"
    assert not detect(root, MEMORY_CONSTRAINED="false", RAILWAY_ENVIRONMENT_NAME="production").constrained


def test_no_word_frees_a_host_under_one_gigabyte(root: Path) -> None:
    assert detect(root, MEMORY_LIMIT_MB="512", MEMORY_CONSTRAINED="false").constrained


def test_processors_are_the_fewer_of_those_allowed_and_the_quota(root: Path) -> None:
    allowed = len(os.sched_getaffinity(0))
    assert detect(root).cpu_count == allowed
    write(root, "sys/fs/cgroup/cpu.max", "max 100000\n")
    assert detect(root).cpu_count == allowed
    write(root, "sys/fs/cgroup/cpu.max", "50000 100000\n")
    assert detect(root).cpu_count == 1


def test_a_v1_processor_quota_counts(root: Path) -> None:
    write(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000")
    write(root, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000")
    assert detect(root).cpu_count == 1


def test_usage_of_a_group_leaves_the_droppable_file_cache_out(tmp_path: Path) -> None:
    write(tmp_path, "v2/memory.current", "1000")
    write(tmp_path, "v2/memory.stat", "anon 5\ninactive_file 300\n")
    write(tmp_path, "v1/memory.usage_in_bytes", "1000")
    write(tmp_path, "v1/memory.stat", "inactive_file 1\ntotal_inactive_file 400\n")
    assert hosting.cgroup_usage_bytes(tmp_path / "v2") == 700
    assert hosting.cgroup_usage_bytes(tmp_path / "v1") == 600
    assert hosting.cgroup_usage_bytes(tmp_path) is None


def test_the_place_of_the_limit_is_the_file_in_full_or_what_it_is(root: Path) -> None:
    assert detect(root).memory_limit_found_in == "MemTotal"
    write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", str(1 << 30))
    assert detect(root).memory_limit_found_in == f"{root}/sys/fs/cgroup/memory/memory.limit_in_bytes"
    write(root, "proc/self/cgroup", "0::/web\n")
    write(root, "sys/fs/cgroup/web/memory.high", str(512 << 20))
    assert detect(root).memory_limit_found_in == f"{root}/sys/fs/cgroup/web/memory.high"
    assert detect(root, MEMORY_LIMIT_MB="300").memory_limit_found_in == "MEMORY_LIMIT_MB"


def test_mallocs_arenas_are_limited_by_either_word_to_glibc() -> None:
    assert hosting.malloc_arenas_are_limited({"MALLOC_ARENA_MAX": "2"})
    assert hosting.malloc_arenas_are_limited({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.arena_max=2"})
    assert not hosting.malloc_arenas_are_limited({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"})


@pytest.mark.parametrize(
    ("folder", "is_memory"),
    [("/", False), ("/tmp", True), ("/tmp/a/b", True), ("/tmp/disk", False), ("/tmpfiles", False), ("/covered", False)],
)
def test_a_folder_is_memory_where_the_mount_that_holds_it_is_a_tmpfs(root: Path, folder: str, is_memory: bool) -> None:
    assert not hosting.is_kept_in_memory(Path(folder), root), "nothing is known"
    write(
        root,
        "proc/mounts",
        "overlay / overlay rw 0 0\ntmpfs /tmp tmpfs rw,nosuid,size=65536k 0 0\n/dev/sda1 /tmp/disk ext4 rw 0 0\n"
        "tmpfs /covered tmpfs rw 0 0\n/dev/sda2 /covered ext4 rw 0 0\n",
    )
    assert hosting.is_kept_in_memory(Path(folder), root) is is_memory
