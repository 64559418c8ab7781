// Charts, drawn as SVG and drawn again when their width changes.

// Ticks: [{value, text}]
function linearTicks(lo, hi, count, format) {
  const rough = (hi - lo) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
  const ticks = [];
  for (let i = Math.ceil(lo / step - 1e-9); i * step <= hi + step * 1e-9; ++i)
    ticks.push({ value: i * step, text: format(i * step) });
  return ticks;
}

function logTicks(lo, hi, count, format) {
  const decades = Math.log10(hi / lo);
  const multiples =
    decades > count
      ? [1]
      : decades > 1.2
        ? [1, 2, 5]
        : decades > 0.5
          ? [1, 1.5, 2, 3, 4, 5, 7]
          : [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9];
  let ticks = [];
  for (let e = Math.floor(Math.log10(lo)); e <= Math.ceil(Math.log10(hi)); ++e) {
    for (const m of multiples) {
      const value = m * 10 ** e;
      if (value >= lo * 0.9999 && value <= hi * 1.0001) ticks.push({ value, text: format(value) });
    }
  }
  while (ticks.length > count + 1) ticks = ticks.filter((_, i) => i % 2 === 0);
  return ticks;
}

// A pixel scale over [lo, hi].
function makeScale(lo, hi, from, to, log) {
  const f = log ? Math.log : (v) => v;
  const a = f(lo);
  const b = f(hi);
  return (v) => from + (b === a ? 0.5 : (f(v) - a) / (b - a)) * (to - from);
}

function extent(values, fallback) {
  const known = values.filter(isNumber);
  return known.length ? [Math.min(...known), Math.max(...known)] : fallback;
}

const shapes = {
  circle: (x, y, r) => svg('circle', { cx: x, cy: y, r }),
  square: (x, y, r) => svg('rect', { x: x - r * 0.9, y: y - r * 0.9, width: r * 1.8, height: r * 1.8, rx: 1 }),
  diamond: (x, y, r) =>
    svg('path', { d: `M${x} ${y - r * 1.25}L${x + r * 1.25} ${y}L${x} ${y + r * 1.25}L${x - r * 1.25} ${y}Z` }),
  triangle: (x, y, r) =>
    svg('path', { d: `M${x} ${y - r * 1.2}L${x + r * 1.15} ${y + r * 0.9}L${x - r * 1.15} ${y + r * 0.9}Z` }),
};
const shapeNames = Object.keys(shapes);

function swatch(series) {
  const mark = series.marker ? shapes[series.marker](13, 6, 3.4) : null;
  if (mark) mark.setAttribute('fill', series.hollow ? 'var(--card)' : series.color);
  return svg(
    'svg',
    { width: 26, height: 12, 'aria-hidden': 'true', stroke: series.color, 'stroke-width': 2 },
    !series.pointsOnly && svg('line', { x1: 1, x2: 25, y1: 6, y2: 6, 'stroke-dasharray': series.dash }),
    mark,
  );
}

// spec: {label, height, x: {label, log, format, whole}, y: {format, min, max}, marks: [{x, text}], noLegend,
//   series: [{name, color, marker, dash, hollow, faded, thin, pointsOnly, bars, end (a name at the line's end),
//             points: [{x, y, lo, hi, large, title, rows (of the tooltip)}]}]}
class LineChart {
  constructor(spec) {
    this.spec = spec;
    this.hidden = new Set();
    this.focus = null; // [series, point] under the pointer or the keyboard
    this.root = el('div', { class: 'chart' });
    this.plot = svg('svg', {
      role: 'img',
      tabindex: 0,
      'aria-label': `${spec.label}. Arrow keys move through the points.`,
      height: spec.height,
      onpointermove: (e) => this.point(e),
      onpointerdown: (e) => this.point(e),
      onpointerleave: () => this.unfocus(),
      onblur: () => this.unfocus(),
      onkeydown: (e) => this.key(e),
    });
    this.root.append(this.plot);
    if (spec.series.length > 1 && !spec.noLegend) this.root.append(this.legend());
    new ResizeObserver(() => this.draw()).observe(this.root);
  }

  legend() {
    return el(
      'div',
      { class: 'legend' },
      this.spec.series
        .filter((s) => !s.noLegend)
        .map((series) =>
          el(
            'button',
            {
              type: 'button',
              'aria-pressed': 'true',
              title: 'Show or hide',
              onclick: (event) => {
                const off = this.hidden.delete(series) ? false : Boolean(this.hidden.add(series));
                event.currentTarget.setAttribute('aria-pressed', String(!off));
                this.draw();
              },
            },
            swatch(series),
            series.name,
          ),
        ),
    );
  }

  shown() {
    return this.spec.series.filter((s) => !this.hidden.has(s) && s.points.length);
  }

  layout(width) {
    const { x, y, series, height } = this.spec;
    const points = series.flatMap((s) => s.points);
    let [x0, x1] = extent(
      points.map((p) => p.x).filter((v) => !x.log || v > 0),
      [1, 10],
    );
    if (x0 === x1) [x0, x1] = x.log ? [x0 / 1.6, x1 * 1.6] : [x0 - 1, x1 + 1];
    let [y0, y1] = extent(
      points.flatMap((p) => [p.y, p.lo, p.hi]),
      [0, 1],
    );
    const room = (y1 - y0 || Math.abs(y1) || 1) * 0.08;
    y0 = isNumber(y.min) ? Math.min(y.min, y0) : y0 - room;
    y1 = isNumber(y.max) ? Math.max(y.max, y1) : y1 + room;
    const right = series.some((s) => s.end) ? Math.min(110, width * 0.24) : 14;
    this.box = { left: 48, right: width - right, top: 14, bottom: height - 44, width, height };
    const pad = x.log ? Math.log(x1 / x0) * 0.03 : (x1 - x0) * 0.03;
    const [px0, px1] = x.log ? [x0 / Math.exp(pad), x1 * Math.exp(pad)] : [x0 - pad, x1 + pad];
    this.sx = makeScale(px0, px1, this.box.left, this.box.right, x.log);
    this.sy = makeScale(y0, y1, this.box.bottom, this.box.top, false);
    const across = Math.max(2, Math.floor((this.box.right - this.box.left) / (x.log ? 62 : 50)));
    this.xTicks = x.log
      ? logTicks(px0, px1, across, x.format)
      : linearTicks(px0, px1, across, x.format).filter((t) => !x.whole || Number.isInteger(t.value));
    this.yTicks = linearTicks(y0, y1, 5, y.format);
  }

  draw() {
    const width = this.root.clientWidth;
    if (!width) return;
    this.layout(width);
    const shown = this.shown();
    this.cursor = svg('g', { 'pointer-events': 'none' });
    this.plot.setAttribute('viewBox', `0 0 ${width} ${this.box.height}`);
    const lines = shown.map((series) => this.line(series));
    this.plot.replaceChildren(...this.axes(), ...this.marks(), ...lines, ...this.endLabels(shown), this.cursor);
  }

  axes() {
    const { left, right, bottom, height } = this.box;
    const across = this.yTicks.flatMap(({ value, text }) => {
      const y = this.sy(value);
      return [
        svg('line', { class: 'gridline', x1: left, x2: right, y1: y, y2: y }),
        svg('text', { x: left - 8, y: y + 4, 'text-anchor': 'end' }, text),
      ];
    });
    const along = this.xTicks.flatMap(({ value, text }) => {
      const x = this.sx(value);
      return [
        svg('line', { class: 'axis', x1: x, x2: x, y1: bottom, y2: bottom + 4 }),
        svg('text', { x, y: bottom + 18, 'text-anchor': 'middle' }, text),
      ];
    });
    const base = svg('line', { class: 'axis', x1: left, x2: right, y1: bottom, y2: bottom });
    const title = svg('text', { x: (left + right) / 2, y: height - 6, 'text-anchor': 'middle' }, this.spec.x.label);
    return [...across, base, ...along, title];
  }

  marks() {
    const { left, right, top, bottom } = this.box;
    return (this.spec.marks || []).flatMap((mark) => {
      const x = this.sx(mark.x);
      const late = x > (left + right) / 2;
      const place = { x: x + (late ? -5 : 5), y: bottom - 7, 'text-anchor': late ? 'end' : 'start' };
      return [
        svg('line', { class: 'mark', x1: x, x2: x, y1: top, y2: bottom }),
        svg('text', { class: 'halo', ...place }, mark.text),
      ];
    });
  }

  line(series) {
    const { sx, sy } = this;
    const group = svg('g', { stroke: series.color, fill: series.color, opacity: series.faded ? 0.38 : 1 });
    const points = series.points.filter((p) => isNumber(p.x) && isNumber(p.y));
    if (!series.pointsOnly) {
      const d = points.map((p, i) => `${i ? 'L' : 'M'}${sx(p.x).toFixed(1)} ${sy(p.y).toFixed(1)}`).join('');
      const width = series.thin ? 1.5 : 2;
      const dash = { 'stroke-dasharray': series.dash, 'stroke-linejoin': 'round' };
      group.append(svg('path', { d, fill: 'none', 'stroke-width': width, ...dash }));
    }
    for (const p of points) {
      const x = sx(p.x);
      if (series.bars && isNumber(p.lo) && isNumber(p.hi)) {
        const d = `M${x} ${sy(p.lo)}V${sy(p.hi)}M${x - 3} ${sy(p.lo)}h6M${x - 3} ${sy(p.hi)}h6`;
        group.append(svg('path', { d, fill: 'none', 'stroke-width': 1, opacity: 0.55 }));
      }
      if (series.marker) {
        const mark = shapes[series.marker](x, sy(p.y), p.large ? 5 : 3.4);
        mark.setAttribute('stroke-width', 1.8);
        mark.setAttribute('fill', series.hollow || p.large ? 'var(--card)' : series.color);
        group.append(mark);
      }
    }
    return group;
  }

  // Names at the ends of lines, moved apart where they would overlap.
  endLabels(shown) {
    const labels = shown
      .filter((s) => s.end)
      .map((s) => ({
        series: s,
        y: this.sy(s.points[s.points.length - 1].y),
        x: this.sx(s.points[s.points.length - 1].x),
      }));
    labels.sort((a, b) => a.y - b.y);
    for (let i = 1; i < labels.length; ++i) labels[i].y = Math.max(labels[i].y, labels[i - 1].y + 15);
    return labels.map((l) =>
      svg(
        'text',
        {
          x: l.x + 9,
          y: l.y + 4,
          style: `fill: ${l.series.color}`,
          'font-weight': l.series.faded ? 400 : 600,
          opacity: l.series.faded ? 0.75 : 1,
        },
        l.series.end,
      ),
    );
  }

  point(event) {
    if (!this.box) return; // not drawn yet
    const frame = this.plot.getBoundingClientRect();
    const px = event.clientX - frame.left;
    const py = event.clientY - frame.top;
    let best = null;
    let nearest = 60; // px; farther points are not meant
    for (const series of this.shown()) {
      for (const p of series.points) {
        if (!isNumber(p.y)) continue;
        const distance = Math.hypot(this.sx(p.x) - px, (this.sy(p.y) - py) * 0.7) + (series.faded ? 6 : 0);
        if (distance < nearest) {
          nearest = distance;
          best = [series, p];
        }
      }
    }
    if (best) this.setFocus(best);
    else this.unfocus();
  }

  key(event) {
    const shown = this.shown();
    if (!this.box || !shown.length || !event.key.startsWith('Arrow')) {
      if (event.key === 'Escape') this.unfocus();
      return;
    }
    event.preventDefault();
    let s = this.focus ? shown.indexOf(this.focus[0]) : 0;
    let p = this.focus ? this.focus[0].points.indexOf(this.focus[1]) : -1;
    if (event.key === 'ArrowRight') ++p;
    if (event.key === 'ArrowLeft') --p;
    if (event.key === 'ArrowDown') ++s;
    if (event.key === 'ArrowUp') --s;
    const series = shown[(s + shown.length) % shown.length];
    this.setFocus([series, series.points[Math.max(0, Math.min(p, series.points.length - 1))]]);
  }

  setFocus([series, p]) {
    this.focus = [series, p];
    const x = this.sx(p.x);
    const y = this.sy(p.y);
    const frame = this.plot.getBoundingClientRect();
    const ring = svg('circle', { cx: x, cy: y, r: 7, fill: 'none', stroke: series.color, 'stroke-width': 2 });
    this.cursor.replaceChildren(
      svg('line', { class: 'mark', x1: x, x2: x, y1: this.box.top, y2: this.box.bottom }),
      ring,
    );
    tooltip.show(frame.left + x, frame.top + y, p.title || series.name, p.rows);
  }

  unfocus() {
    this.focus = null;
    this.cursor?.replaceChildren();
    tooltip.hide();
  }
}

const lineChart = (spec) => new LineChart(spec).root;

// Points with their intervals on one shared axis. rows: [{name, value, lo, hi, color, hollow, tip}]; guides: [{x, text}]
function intervalChart({ label, rows, lo, hi, format, zero }) {
  const root = el('div', { class: 'chart' }),
    line = 28;
  const plot = svg('svg', { role: 'img', 'aria-label': label, height: rows.length * line + 30 });
  const draw = () => {
    const width = root.clientWidth;
    if (!width) return;
    const left = Math.min(210, width * 0.42);
    const right = width - 14;
    const bottom = rows.length * line + 4;
    const sx = makeScale(lo, hi, left, right, false);
    plot.setAttribute('viewBox', `0 0 ${width} ${bottom + 26}`);
    const ticks = linearTicks(lo, hi, Math.max(2, Math.floor((right - left) / 70)), format);
    const parts = ticks.flatMap((t) => [
      svg('line', { class: 'gridline', x1: sx(t.value), x2: sx(t.value), y1: 0, y2: bottom }),
      svg('text', { x: sx(t.value), y: bottom + 18, 'text-anchor': 'middle' }, t.text),
    ]);
    if (zero) parts.push(svg('line', { class: 'axis', x1: sx(0), x2: sx(0), y1: 0, y2: bottom }));
    rows.forEach((row, i) => {
      const y = i * line + line / 2;
      const show = () => {
        const frame = plot.getBoundingClientRect();
        tooltip.show(frame.left + sx(row.value), frame.top + y, row.name, row.tip);
      };
      parts.push(
        svg(
          'g',
          {
            stroke: row.color,
            tabindex: 0,
            role: 'img',
            'aria-label': `${row.name}: ${row.tip.map((t) => t.join(' ')).join(', ')}`,
            onpointerenter: show,
            onpointerleave: () => tooltip.hide(),
            onfocus: show,
            onblur: () => tooltip.hide(),
          },
          svg('rect', { x: 0, y: y - line / 2, width, height: line, fill: 'transparent', stroke: 'none' }),
          svg(
            'text',
            { x: left - 12, y: y + 4, 'text-anchor': 'end', stroke: 'none', style: 'fill: var(--ink)' },
            row.name,
          ),
          svg('line', { x1: sx(row.lo), x2: sx(row.hi), y1: y, y2: y, 'stroke-width': 2, opacity: 0.6 }),
          svg('circle', {
            cx: sx(row.value),
            cy: y,
            r: 4.5,
            fill: row.hollow ? 'var(--card)' : row.color,
            'stroke-width': 2,
          }),
        ),
      );
    });
    plot.replaceChildren(...parts);
  };
  root.append(plot);
  new ResizeObserver(draw).observe(root);
  return root;
}
