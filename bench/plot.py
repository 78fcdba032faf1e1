# SPDX-License-Identifier: MIT
"""Draws times as bars on a logarithmic scale, and values over time as lines, as SVG."""

import math
from xml.sax.saxutils import escape

LABEL_WIDTH, PLOT_WIDTH, ROW_HEIGHT, MARGIN = 330, 520, 26, 40
STYLE = "font: 12px sans-serif; fill: #333"
PANEL_HEIGHT, MOST_POINTS = 140, 600


def write_lines(path, title, seconds, panels):
    """`panels`: (name, values), one below the other from zero up; a value for each of `seconds`."""
    left, width = 110, LABEL_WIDTH + PLOT_WIDTH
    height = MARGIN + len(panels) * (PANEL_HEIGHT + 30) + MARGIN
    step = max(1, len(seconds) // MOST_POINTS)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d">' % (width + 60, height),
           '<rect width="100%" height="100%" fill="white"/>',
           '<text x="%d" y="20" style="%s">%s</text>' % (left, STYLE, escape(title))]
    for number, (name, values) in enumerate(panels):
        bottom = MARGIN + number * (PANEL_HEIGHT + 30) + PANEL_HEIGHT
        most = max(values) * 1.1 or 1

        def point(second, value):
            return "%.1f,%.1f" % (left + second / seconds[-1] * (width - left),
                                  bottom - value / most * PANEL_HEIGHT)

        out.append('<path d="M%d %d V%d H%d" stroke="#999" fill="none"/>' % (
            left, bottom - PANEL_HEIGHT, bottom, width))
        out.append('<polyline points="%s" stroke="#7aa6c2" fill="none"/>' % " ".join(
            point(second, value) for second, value in list(zip(seconds, values))[::step]))
        for value in (0, max(values)):
            out.append('<text x="%d" y="%.1f" text-anchor="end" style="%s">%g</text>' % (
                left - 6, bottom - value / most * PANEL_HEIGHT + 4, STYLE, round(value, 1)))
        out.append('<text x="%d" y="%d" style="%s">%s</text>' % (
            left + 6, bottom - PANEL_HEIGHT + 12, STYLE, escape(name)))
    out.append('<text x="%d" y="%d" text-anchor="end" style="%s">%.0f s</text>' % (
        width, height - MARGIN + 10, STYLE, seconds[-1]))
    out.append("</svg>")
    with open(path, "w") as file:
        file.write("\n".join(out) + "\n")


def write(path, rows):
    """`rows`: (name, 10th percentile, median, 90th percentile, maximum), in milliseconds."""
    smallest = min(low for _, low, _, _, _ in rows)
    largest = max(most for _, _, _, _, most in rows)
    first = math.floor(math.log10(max(smallest, 1e-3)))
    last = math.ceil(math.log10(largest))

    def x(value):
        share = (math.log10(max(value, 10.0 ** first)) - first) / max(1, last - first)
        return LABEL_WIDTH + share * PLOT_WIDTH

    height = MARGIN + len(rows) * ROW_HEIGHT + MARGIN
    width = LABEL_WIDTH + PLOT_WIDTH + 90
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d">' % (width, height),
           '<rect width="100%" height="100%" fill="white"/>']
    for power in range(first, last + 1):
        out.append('<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#ddd"/>' % (
            x(10.0 ** power), MARGIN - 8, x(10.0 ** power), height - MARGIN))
        out.append('<text x="%.1f" y="%d" text-anchor="middle" style="%s">%g ms</text>' % (
            x(10.0 ** power), MARGIN - 14, STYLE, 10.0 ** power))
    for number, (name, low, median, high, most) in enumerate(rows):
        y = MARGIN + number * ROW_HEIGHT
        middle = y + ROW_HEIGHT / 2
        out.append('<text x="%d" y="%.1f" text-anchor="end" style="%s">%s</text>' % (
            LABEL_WIDTH - 8, middle + 4, STYLE, escape(name)))
        out.append('<rect x="%d" y="%d" width="%.1f" height="%d" fill="#7aa6c2"/>' % (
            LABEL_WIDTH, y + 5, max(1, x(median) - LABEL_WIDTH), ROW_HEIGHT - 10))
        out.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#333"/>' % (
            x(low), middle, x(high), middle))
        out.append('<circle cx="%.1f" cy="%.1f" r="2" fill="#b03030"/>' % (x(most), middle))
        out.append('<text x="%.1f" y="%.1f" style="%s">%.2f</text>' % (
            x(most) + 6, middle + 4, STYLE, median))
    out.append('<text x="%d" y="%d" style="%s">median; the line spans the 10th to the 90th '
               'percentile, the dot is the slowest</text>' % (LABEL_WIDTH, height - MARGIN + 20, STYLE))
    out.append("</svg>")
    with open(path, "w") as file:
        file.write("\n".join(out) + "\n")
