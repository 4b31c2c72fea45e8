# SPDX-License-Identifier: BSD-3-Clause
"""Plots as SVG, nothing but text: lines over a numeric axis, and bars of stacked parts."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 78, 190, 46, 58
# Okabe and Ito's colours, which everyone can tell apart; then more for bars of many parts.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#8c564b", "#b8a900", "#5b3a8e",
           "#a6cee3", "#f4a582", "#b2df8a", "#d9d9d9")
FONT = 'font-family="DejaVu Sans, Verdana, sans-serif"'


def number(v):
    """As people write it on an axis."""
    if v >= 1000 and v == int(v):
        return "{:,}".format(int(v))
    return "%g" % v


def nice_step(span, most):
    """A step of 1, 2 or 5 times a power of ten that divides span into at most so many parts."""
    raw = span / most if span > 0 else 1
    power = 10 ** math.floor(math.log10(raw))
    for k in (1, 2, 5, 10):
        if k * power >= raw:
            return k * power
    return 10 * power


class Canvas:
    def __init__(self, title, x_title, y_title, height=HEIGHT):
        self.height = height
        self.parts = []
        self.text(WIDTH / 2 - RIGHT / 2 + LEFT / 2, 24, title, size=15, anchor="middle", weight="bold")
        self.text((LEFT + WIDTH - RIGHT) / 2, height - 14, x_title, anchor="middle")
        if y_title:
            y = (TOP + height - BOTTOM) / 2
            self.parts.append('<text x="18" y="%.1f" %s font-size="12" text-anchor="middle" transform="rotate(-90 18 %.1f)">%s</text>'
                              % (y, FONT, y, escape(y_title)))

    def text(self, x, y, s, size=12, anchor="start", weight="normal", fill="#222"):
        self.parts.append('<text x="%.1f" y="%.1f" %s font-size="%d" text-anchor="%s" font-weight="%s" fill="%s">%s</text>'
                          % (x, y, FONT, size, anchor, weight, fill, escape(s)))

    def line(self, x1, y1, x2, y2, colour="#ccc", width=1.0, dash=""):
        self.parts.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%g"%s/>' % (
            x1, y1, x2, y2, colour, width, ' stroke-dasharray="%s"' % dash if dash else ""))

    def rect(self, x, y, w, h, fill, title=""):
        self.parts.append('<rect x="%.1f" y="%.1f" width="%.2f" height="%.1f" fill="%s">%s</rect>' % (
            x, y, max(w, 0), h, fill, "<title>%s</title>" % escape(title) if title else ""))

    def legend(self, entries):
        """entries: (name, colour, dashed)"""
        for i, (name, colour, dashed) in enumerate(entries):
            y = TOP + 10 + i * 20
            self.line(WIDTH - RIGHT + 14, y, WIDTH - RIGHT + 38, y, colour, 3, "5 4" if dashed else "")
            self.text(WIDTH - RIGHT + 44, y + 4, name)

    def save(self, path):
        with open(path, "w") as f:
            f.write('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img">\n'
                    '<!-- SPDX-License-Identifier: BSD-3-Clause -->\n'
                    '<rect width="%d" height="%d" fill="#fff"/>\n%s\n</svg>\n'
                    % (WIDTH, self.height, WIDTH, self.height, "\n".join(self.parts)))


def lines(path, title, x_title, y_title, series, log_x=False):
    """series: (name, [(x, y)], dashed). The y axis begins at 0."""
    points = [p for _, data, _ in series for p in data]
    if not points:
        return False
    c = Canvas(title, x_title, y_title)
    scale = (lambda v: math.log10(v)) if log_x else (lambda v: v)
    xs = sorted({x for x, _ in points})
    x0, x1 = scale(xs[0]), scale(xs[-1])
    step = nice_step(max(y for _, y in points) * 1.08, 8)
    y1 = step * math.ceil(max(y for _, y in points) * 1.05 / step)

    def place(x, y):
        share = (scale(x) - x0) / (x1 - x0) if x1 > x0 else 0.5
        return (LEFT + 12 + share * (WIDTH - LEFT - RIGHT - 24), c.height - BOTTOM - y / y1 * (c.height - TOP - BOTTOM))

    for k in range(int(round(y1 / step)) + 1):
        _, y = place(xs[0], k * step)
        c.line(LEFT, y, WIDTH - RIGHT, y, "#e4e4e4" if k else "#444")
        c.text(LEFT - 8, y + 4, number(round(k * step, 6)), anchor="end")
    for x in xs:
        px, _ = place(x, 0)
        c.line(px, c.height - BOTTOM, px, c.height - BOTTOM + 5, "#444")
        c.text(px, c.height - BOTTOM + 19, number(x), anchor="middle")
    for i, (name, data, dashed) in enumerate(series):
        colour = COLOURS[i % len(COLOURS)]
        at = [place(x, y) for x, y in sorted(data)]
        c.parts.append('<polyline fill="none" stroke="%s" stroke-width="2.2"%s points="%s"/>' % (
            colour, ' stroke-dasharray="5 4"' if dashed else "", " ".join("%.1f,%.1f" % p for p in at)))
        for (px, py), (x, y) in zip(at, sorted(data)):
            c.parts.append('<circle cx="%.1f" cy="%.1f" r="3.4" fill="%s"><title>%s</title></circle>' % (
                px, py, colour, escape("%s, %s: %.0f" % (name, number(x), y))))
    c.legend([(name, COLOURS[i % len(COLOURS)], dashed) for i, (name, _, dashed) in enumerate(series)])
    c.save(path)
    return True


def bars(path, title, x_title, rows, parts, marks=()):
    """Stacked bars, lying. rows: (label, {part: value}); parts: names in order, each a colour; marks:
    (row's number, value, name): a line across that bar."""
    if not rows:
        return False
    entries = len(parts) + bool(marks)
    c = Canvas(title, x_title, "", height=max(TOP + BOTTOM + 46 * len(rows) + 10, TOP + 20 * entries + 20))
    left = 150
    most = max([sum(v.values()) for _, v in rows] + [m[1] for m in marks])
    step = nice_step(most * 1.05, 7)
    top = step * math.ceil(most * 1.02 / step)
    width = WIDTH - left - RIGHT

    for k in range(int(round(top / step)) + 1):
        x = left + k * step / top * width
        c.line(x, TOP, x, c.height - BOTTOM, "#e4e4e4" if k else "#444")
        c.text(x, c.height - BOTTOM + 18, number(round(k * step, 6)), anchor="middle")
    for i, (label, values) in enumerate(rows):
        y, x = TOP + 8 + i * 46, float(left)
        c.text(left - 8, y + 20, label, anchor="end")
        for k, part in enumerate(parts):
            w = values.get(part, 0) / top * width
            c.rect(x, y, w, 30, COLOURS[k % len(COLOURS)], "%s: %.1f" % (part, values.get(part, 0)))
            x += w
        c.text(x + 5, y + 20, "%.0f" % sum(values.values()) if most >= 20 else "%.2f" % sum(values.values()), size=11)
    for row, value, name in marks:
        x, y = left + value / top * width, TOP + 8 + row * 46
        c.line(x, y - 4, x, y + 34, "#000", 2, "3 2")
    names = [(p, COLOURS[k % len(COLOURS)], False) for k, p in enumerate(parts)]
    if marks:
        names.append((marks[0][2], "#000", True))
    c.legend(names)
    c.save(path)
    return True
