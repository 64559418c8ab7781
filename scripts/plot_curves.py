#!/usr/bin/env python3
"""Draws a run's two curves as one SVG, from its report.json alone (standard library only).

usage: scripts/plot_curves.py runs/laptop/report.json docs/images/two-curves.svg [TASK]

Left: greedy accuracy on held-out problems against training compute, a line a task. Right: accuracy of TASK (default
countdown4) against test-time tokens a problem, a line a strategy, pass@k dashed. Bars are 95% intervals.
"""
import json
import math
import sys

COLOURS = ["#2a5bd7", "#d9822b", "#2e8b57", "#8a3fa0", "#b8860b", "#c0392b"]
WIDTH, HEIGHT, LEFT, TOP, GAP = 430, 300, 56, 46, 60


class Panel:
    """One chart with a logarithmic x axis and accuracy from 0 to 1."""

    def __init__(self, x0, title, x_label, xs):
        self.x0 = x0
        self.lo, self.hi = math.log10(min(xs)) - 0.05, math.log10(max(xs)) + 0.05
        self.parts = [
            f'<text x="{x0}" y="{TOP - 22}" font-size="14" font-weight="600">{title}</text>',
            f'<text x="{x0 + WIDTH / 2}" y="{TOP + HEIGHT + 40}" text-anchor="middle">{x_label}</text>',
        ]
        for tenth in range(0, 11, 2):
            y = self.y(tenth / 10)
            self.parts.append(f'<path d="M{x0} {y}h{WIDTH}" stroke="#ddd"/>')
            self.parts.append(f'<text x="{x0 - 8}" y="{y + 4}" text-anchor="end">{tenth * 10}%</text>')

    def x(self, value):
        return round(self.x0 + (math.log10(value) - self.lo) / (self.hi - self.lo) * WIDTH, 1)

    def y(self, accuracy):
        return round(TOP + (1 - accuracy) * HEIGHT, 1)

    def ticks(self, values, text):
        for value in values:
            x = self.x(value)
            self.parts.append(f'<path d="M{x} {TOP + HEIGHT}v5" stroke="#555"/>')
            self.parts.append(f'<text x="{x}" y="{TOP + HEIGHT + 20}" text-anchor="middle">{text(value)}</text>')

    def line(self, name, points, colour, dashed=False, label_dy=0):
        """points: (x, accuracy, low, high), by x."""
        path = "M" + "L".join(f"{self.x(x)} {self.y(a)}" for x, a, _, _ in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        for x, accuracy, low, high in points:
            if not dashed:
                self.parts.append(f'<path d="M{self.x(x)} {self.y(low)}V{self.y(high)}" stroke="{colour}" opacity=".5"/>')
            self.parts.append(f'<circle cx="{self.x(x)}" cy="{self.y(accuracy)}" r="3" fill="{colour}"/>')
        x, accuracy, _, _ = points[-1]
        self.parts.append(
            f'<text x="{self.x(x) + 8}" y="{self.y(accuracy) + 4 + label_dy}" fill="{colour}">{name}</text>')


def spread(ends):
    """Offsets that keep labels at least 13 px apart; ends: y of each line's last point."""
    offsets, last = [0.0] * len(ends), -1e9
    for i in sorted(range(len(ends)), key=lambda i: ends[i]):
        y = max(ends[i], last + 13)
        offsets[i], last = y - ends[i], y
    return offsets


def draw_lines(panel, lines):
    """lines: (name, points, colour, dashed)."""
    for line, dy in zip(lines, spread([panel.y(points[-1][1]) for _, points, _, _ in lines])):
        panel.line(*line, label_dy=dy)


def training_panel(report):
    rows = [r for r in report["train_curve"] if r["flops"]]
    tasks = list(dict.fromkeys(r["task"] for r in rows))
    panel = Panel(LEFT, "Training compute", "FLOPs of all training so far (log)", [r["flops"] for r in rows])
    lines = []
    for i, task in enumerate(tasks):
        points = sorted((r["flops"], r["accuracy"], r["ci_lo"], r["ci_hi"]) for r in rows if r["task"] == task)
        lines.append((task, points, COLOURS[i % len(COLOURS)], False))
    draw_lines(panel, lines)
    flops = sorted({r["flops"] for r in rows})
    panel.ticks([flops[0], flops[-1]], lambda v: f"{v / 1e12:.0f}T")
    start = panel.x(flops[0])
    panel.parts.append(f'<text x="{start}" y="{TOP - 6}" text-anchor="middle" fill="#777">RL begins</text>')
    panel.parts.append(f'<path d="M{start} {TOP}v{HEIGHT}" stroke="#999" stroke-dasharray="2 3"/>')
    return panel


def search_panel(report, task):
    rows = [r for r in report["search_curve"] if r["task"] == task and r.get("model", "rl") == "rl"]
    if not rows:
        sys.exit(f"error: the report has no search rows of {task}")
    cost = lambda r: r["tokens_per_problem"] + r["critic_tokens_per_problem"]
    lines = []
    for i, name in enumerate(dict.fromkeys(r["strategy"] for r in rows)):
        points = sorted((cost(r), r["accuracy"], r["ci_lo"], r["ci_hi"]) for r in rows if r["strategy"] == name)
        control = name == "oracle"  # is told right from wrong: no way to search
        lines.append((name + " (control)" if control else name, points, "#777" if control else COLOURS[i % len(COLOURS)], control))
    limit = max(cost(r) for r in rows) * 1.05
    bound = sorted((r["tokens_per_problem"], r["value"], 0, 0) for r in report["pass_at_k"]
                   if r["task"] == task and r.get("model", "rl") == "rl" and r["tokens_per_problem"] <= limit)
    if bound:
        lines.append(("pass@k", bound, "#777", True))
    xs = [x for _, points, _, _ in lines for x, _, _, _ in points]
    panel = Panel(LEFT + WIDTH + GAP + 70, f"Test-time compute, {task}", "tokens a problem, policy and critic (log)", xs)
    draw_lines(panel, lines)
    panel.ticks([t for t in (32, 64, 128, 256, 512, 1024, 2048, 4096) if min(xs) * 0.9 <= t <= max(xs) * 1.1], str)
    return panel


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        report = json.load(file)
    panels = [training_panel(report), search_panel(report, sys.argv[3] if len(sys.argv) == 4 else "countdown4")]
    width, height = LEFT + 2 * WIDTH + GAP + 70 + 90, TOP + HEIGHT + 56
    body = "\n".join(part for panel in panels for part in panel.parts)
    svg = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
           f'font-size="12" fill="#222">\n<rect width="{width}" height="{height}" fill="#fff"/>\n{body}\n</svg>\n')
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(svg)


if __name__ == "__main__":
    main()
