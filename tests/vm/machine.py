# SPDX-License-Identifier: MIT
"""Virtual machines: one of Debian's kernels, its release, this tree and a build of it.

A machine has no network, runs one job and goes off. The job's output comes line by line over
a serial line; the kernel's own messages go to a file. The disk is a snapshot: nothing stays.
"""

import os
import pathlib
import re
import subprocess
import tempfile
import threading

TOP = pathlib.Path(__file__).resolve().parents[2]
GUEST = pathlib.Path(__file__).resolve().parent / "guest"
HOME = "opt/kilntainers"
MEMORY_MIB = 1500
PROCESSORS = 2
# Of the tree and of a build: what tests need, below HOME of the guest.
TREE = ("tests/vm", "tests/native", "tests/isolation", "tests/chaos", "src/zygote/seccomp.policy")
BUILT = (
    "kilntainers", "kilntainers-full", "tests/native/native-driver", "tests/conformance/conformance",
    "tests/isolation/isolation-driver", "tests/isolation/isolation-probe", "apparmor/kilntainers",
)
SYSTEMD_UNIT = """[Unit]
Description=the job of this virtual machine
After=multi-user.target

[Service]
Type=oneshot
ExecStart=/opt/kilntainers/tests/vm/guest/job
ExecStopPost=/usr/bin/busybox reboot -f
"""


class Archive:
    """An initramfs: cpio in its newc form, not compressed, which an emulated processor is slow at."""

    def __init__(self, file):
        self.file = file
        self.count = 0
        self.folders = set()

    def entry(self, name, mode, data):
        self.count += 1
        encoded = name.encode() + b"\0"
        fields = (self.count, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields)
        for part in (header + encoded, data):
            self.file.write(part + b"\0" * (-len(part) % 4))

    def folder(self, name):
        if name and name != "." and name not in self.folders:
            self.folder(os.path.dirname(name))
            self.folders.add(name)
            self.entry(name, 0o040755, b"")

    def put(self, name, data, mode=0o644):
        self.folder(os.path.dirname(name))
        self.entry(name, 0o100000 | mode, data)

    def link(self, name, target):
        self.folder(os.path.dirname(name))
        self.entry(name, 0o120777, target.encode())

    def copy(self, name, path):
        path = pathlib.Path(path)
        if path.is_dir():
            for child in sorted(path.iterdir()):
                if child.name != "__pycache__":
                    self.copy("%s/%s" % (name, child.name), child)
            return
        self.put(name, path.read_bytes(), path.stat().st_mode & 0o777)

    def end(self):
        self.entry("TRAILER!!!", 0, b"")


def libraries(programs):
    """What the programs need of this machine's shared libraries."""
    listed = subprocess.run(["ldd", *programs], check=False, text=True, capture_output=True).stdout
    return sorted(set(re.findall(r"=> (/\S+) ", listed)))


def make_initramfs(file, kernel, build, command, with_systemd):
    archive = Archive(file)
    for folder in ("proc", "dev", "root", "bin"):
        archive.folder(folder)
    archive.copy("init", GUEST / "init")
    archive.copy("bin/busybox", subprocess.run(
        ["which", "busybox"], check=True, text=True, capture_output=True).stdout.strip())
    archive.copy("modules", kernel / "modules")
    home = "payload/" + HOME
    for name in TREE:
        archive.copy("%s/%s" % (home, name), TOP / name)
    programs = [build / name for name in BUILT if (build / name).exists()]
    for path in programs:
        archive.copy("%s/build/%s" % (home, path.relative_to(build)), path)
    for path in libraries(programs):
        archive.copy("%s/lib/%s" % (home, os.path.basename(path)), path)
    archive.put(home + "/command", command.encode())
    first = "/sbin/init" if with_systemd else "/%s/tests/vm/guest/start" % HOME
    archive.put(home + "/first", first.encode())
    units = "payload/etc/systemd/system/"
    archive.put(units + "kilntainers-job.service", SYSTEMD_UNIT.encode())
    archive.link(units + "graphical.target.wants/kilntainers-job.service",
                 "../kilntainers-job.service")
    archive.end()


def run(place, kernel_name, build, command, on_line, limit_s, with_systemd=False, console=None):
    """Boots, calls on_line(text) for each line of the job; the job's exit code, or None."""
    kernel = pathlib.Path(place) / ("kernel-" + kernel_name)
    with tempfile.TemporaryDirectory(prefix="kilntainers-vm-") as folder:
        initramfs = pathlib.Path(folder, "initramfs")
        with open(initramfs, "wb") as file:
            make_initramfs(file, kernel, pathlib.Path(build), command, with_systemd)
        argv = [
            # Whatever becomes of us, the machine does not stay.
            "setpriv", "--pdeathsig", "KILL",
            "qemu-system-x86_64", "-M", "q35,accel=tcg", "-cpu", "max", "-smp", str(PROCESSORS),
            "-m", str(MEMORY_MIB), "-display", "none", "-no-reboot", "-nic", "none",
            "-monitor", "none",
            "-drive", "file=%s/root.img,if=virtio,format=raw,snapshot=on" % place,
            "-kernel", str(kernel / "vmlinuz"), "-initrd", str(initramfs),
            "-append", "console=ttyS0 quiet rdinit=/init panic=-1 systemd.show_status=no "
                       "systemd.mask=serial-getty@ttyS0.service",
            "-serial", "file:%s" % (console or pathlib.Path(folder, "console")),
            "-serial", "stdio",
        ]
        environment = {**os.environ, "TMPDIR": folder}
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              env=environment) as machine:
            guard = threading.Timer(limit_s, machine.kill)
            guard.start()
            try:
                return forward(machine.stdout, on_line)
            finally:
                guard.cancel()
                machine.kill()


def forward(stream, on_line):
    code = None
    for raw in stream:
        line = raw.decode(errors="replace").rstrip("\r\n")
        if line.startswith("@end "):
            code = int(line.split()[1])
        else:
            on_line(line)
    return code
