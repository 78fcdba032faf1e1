# SPDX-License-Identifier: MIT
"""What memory processes and the machine use, as the kernel tells it."""

import traces


def rss_mb(pid):
    for line in traces.read("/proc/%d/status" % pid).splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def tree_pss_mb(server):
    """What a server and all its processes take, shared pages counted once."""
    total = 0
    for pid in [server] + traces.descendants(server):
        for line in traces.read("/proc/%d/smaps_rollup" % pid).splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def used_mb():
    """Without what the kernel gives back at once: pages of files, slabs it can shrink."""
    fields = dict(line.split(":") for line in traces.read("/proc/meminfo").splitlines())
    kb = {name: int(value.split()[0]) for name, value in fields.items()}
    return (kb["MemTotal"] - kb["MemFree"] - kb["Buffers"] - kb["Cached"] + kb["Shmem"]
            - kb["SReclaimable"]) / 1024
