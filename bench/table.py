# SPDX-License-Identifier: MIT
"""Rows of measurements: how they are printed, compared with their targets, and written down."""

import collections
import csv
import os
import pathlib
import platform
import statistics

# unit "ms": samples are compared by their median; "MB": memory
Row = collections.namedtuple("Row", "name unit samples baseline")


def percentile(samples, share):
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def ratio(row):
    if not row.baseline:
        return None
    return statistics.median(row.samples) / statistics.median(row.baseline)


FIGURES = ("median", "p10", "p90", "p99", "least", "most")


def figures(row):
    return [statistics.median(row.samples)] + [
        percentile(row.samples, share) for share in (0.1, 0.9, 0.99, 0, 1)]


def print_row(row):
    print("%-54s %9s %9s %9s %9s %9s %9s %-3s %8s" % tuple(cells(row)), flush=True)


def cells(row):
    return [row.name] + ["%.3f" % figure for figure in figures(row)] + [
        row.unit, "%.1f x" % ratio(row) if row.baseline else ""]


def print_heading():
    print("%-54s %9s %9s %9s %9s %9s %9s     %8s" % ("", *FIGURES, "ratio"))


def print_verdicts(rows, targets, percent=10):
    for line in verdicts(rows, targets, percent):
        print("%-54s %-3s median: at most %s, is %s, %s; p%d: at most %s, is %s, %s"
              % (*line[:5], percent, *line[5:]))


def verdicts(rows, targets, percent):
    """`targets`: name of the row, and what it should be at most, a function of the plain exec of the
    same program. Gives (name, unit, then target, figure and verdict by the median, and the same by
    that percentile)."""
    by_name = {row.name: row for row in rows}
    for name, limit in targets:
        row = by_name.get(name)
        if not row:
            continue
        line = [name, row.unit]
        for share in (0.5, percent / 100):
            target = limit(percentile(row.baseline, share) if row.baseline else None)
            figure = percentile(row.samples, share)
            line += ["%.2f" % target, "%.2f" % figure, "met" if figure <= target else "missed"]
        yield line


def machine():
    scheduling = {os.SCHED_OTHER: "", os.SCHED_FIFO: ", scheduled by FIFO (chrt)"}
    return "%d cores of %s, Linux %s, load %.1f%s" % (
        os.cpu_count(), cpu_name(), platform.release(), os.getloadavg()[0],
        scheduling.get(os.sched_getscheduler(0), ", scheduled otherwise"))


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def markdown(rows, targets, percent):
    """The part of a page that is figures."""
    out = ["Measured on %s." % machine(), "",
           "| " + " | ".join(("work", *FIGURES, "unit", "ratio")) + " |",
           "|" + " --- |" * (len(FIGURES) + 3)]
    out += ["| " + " | ".join(cells(row)) + " |" for row in rows]
    out += ["", "| target | unit | at most | median | | at most | p%d | |" % percent,
            "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    out += ["| " + " | ".join(line) + " |" for line in verdicts(rows, targets, percent)]
    return "\n".join(out)


def write_page(rows, targets, path, mark, percent=10):
    """Between `<!-- MARK -->` and the next end of figures."""
    begin, end = "<!-- %s -->\n" % mark, "<!-- end of figures -->\n"
    before, rest = path.read_text().split(begin)
    path.write_text(before + begin + markdown(rows, targets, percent) + "\n" + end
                    + rest.split(end, 1)[1])


def write_csv(rows, path):
    """Every figure of every row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["row", "unit", "samples", *FIGURES, "ratio"])
        for row in rows:
            out.writerow([row.name, row.unit, len(row.samples),
                          *("%.4f" % figure for figure in figures(row)),
                          "%.3f" % ratio(row) if row.baseline else ""])
