// The tree as a picture: the problem on top, a level a row. A canvas, because ten thousand nodes are redrawn with each
// move of the slider. Places never change while the search is replayed; what is not made yet is not drawn.

class TreeDrawing {
  static margin = { x: 22, top: 20, bottom: 44 };
  static most = { x: 110, y: 100 }; // pixels between leaves and between levels, before the user zooms
  static shades = 8; // and two more: given up, not scored
  static edges = ['given', 'thin', 'some', 'many', 'path']; // in the order in which they are drawn

  // chosen(i): the user clicked a node
  constructor(tree, chosen) {
    this.tree = tree;
    this.chosen = chosen;
    this.shown = tree.size;
    this.active = 0;
    this.found = new Set();
    this.place();
    this.canvas = el('canvas', {
      tabindex: 0,
      role: 'img',
      'aria-label': 'The tree, drawn. Arrow keys go to parent, child and neighbours; the outline holds the same nodes as text.',
      onkeydown: (event) => this.key(event),
      onpointerdown: (event) => this.press(event),
      onpointermove: (event) => this.move(event),
      onpointerup: (event) => this.release(event),
      onpointercancel: () => (this.drag = null),
      onpointerleave: () => this.hover(-1),
    });
    this.canvas.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
    const button = (name, text, act) =>
      el('button', { type: 'button', class: 'quiet icon', 'aria-label': name, title: name, onclick: act }, text);
    this.root = div(
      'drawing',
      this.canvas,
      div(
        'drawing-tools',
        button('Closer', '+', () => this.zoom(1.6)),
        button('Farther', '−', () => this.zoom(1 / 1.6)),
        button('Whole tree', 'Fit', () => this.fit()),
      ),
      this.legend(),
    );
    new ResizeObserver(() => this.resize()).observe(this.root);
    new MutationObserver(() => this.recolor()).observe(document.documentElement, { attributeFilter: ['data-theme'] });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.recolor());
  }

  // Leaves side by side, every other node above the middle of its children.
  place() {
    const { tree } = this;
    this.x = new Float64Array(tree.size);
    this.levels = [];
    let leaves = 0;
    const waiting = tree.size ? [0] : [];
    const order = [];
    while (waiting.length) {
      const i = waiting.pop();
      order.push(i);
      const kids = tree.children[i];
      if (!kids.length) this.x[i] = leaves++;
      for (let k = kids.length - 1; k >= 0; --k) waiting.push(kids[k]);
    }
    for (let k = order.length - 1; k >= 0; --k) {
      const kids = tree.children[order[k]];
      if (kids.length) this.x[order[k]] = (this.x[kids[0]] + this.x[kids[kids.length - 1]]) / 2;
    }
    for (const i of order) (this.levels[tree.depth[i]] ||= []).push(i); // from left to right
    this.leaves = Math.max(1, leaves);
    this.room = new Float64Array(tree.size).fill(Infinity); // to the next one on its right
    for (const level of this.levels)
      for (let k = 0; k + 1 < level.length; ++k) this.room[level[k]] = this.x[level[k + 1]] - this.x[level[k]];
    this.judge();
  }

  // How each is drawn, at the tree's moment.
  judge() {
    const { tree } = this;
    this.ended = tree.ended;
    const visits = tree.visits[0];
    const share = (i) => (visits > 0 ? tree.visits[i] / visits : 0);
    const { edges, shades } = TreeDrawing;
    const edge = (node, i) =>
      node.path ? 'path' : tree.givenUp(i) ? 'given' : share(i) > 0.2 ? 'many' : share(i) > 0.05 ? 'some' : 'thin';
    this.edge = Uint8Array.from(tree.nodes, (node, i) => edges.indexOf(edge(node, i)));
    const shade = (i, worth) =>
      tree.givenUp(i) ? shades : worth === null ? shades + 1 : Math.max(0, Math.min(shades - 1, Math.round(worth * (shades - 1))));
    this.shade = Uint8Array.from(tree.nodes, (_, i) => shade(i, tree.worth(i)));
  }

  legend() {
    const entry = (kind, text) => span('', el('i', { class: `sign ${kind}` }), text);
    const { nodes } = this.tree;
    return div(
      'drawing-legend small muted',
      entry('worth', 'value from 0 to 1'),
      nodes.some((n) => n.path) && entry('way', 'chosen path'),
      nodes.some((n) => n.answered) && entry('end', 'answer'),
      nodes.some((n) => n.pruned) && entry('up', 'given up'),
    );
  }

  show(count) {
    this.shown = count;
    if (this.tree.backups.length || this.ended !== this.tree.ended) this.judge();
    this.drawSoon();
  }
  goTo(i) {
    this.active = i;
    this.intoSight(i);
    this.drawSoon();
  }
  find(found) {
    this.found = found;
    this.drawSoon();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.root;
    if (!width || !height) return;
    const ratio = window.devicePixelRatio || 1;
    const first = !this.width;
    const fitted = this.fitted;
    Object.assign(this, { width, height, ratio });
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    if (first || fitted) this.fit();
    else this.draw();
  }
  fitScale() {
    const { margin, most } = TreeDrawing;
    const x = Math.min(most.x, (this.width - 2 * margin.x) / Math.max(1, this.leaves - 1));
    const y = Math.min(most.y, (this.height - margin.top - margin.bottom) / Math.max(1, this.levels.length - 1));
    return { x, y };
  }
  fit() {
    const { margin } = TreeDrawing;
    this.scale = this.fitScale();
    const spare = this.width - (this.leaves - 1) * this.scale.x;
    this.at = { x: spare / 2, y: margin.top };
    this.fitted = true;
    this.draw();
  }
  // About a point of the canvas, or about the active node.
  zoom(by, about) {
    const [px, py] = about || this.point(this.active);
    const least = this.fitScale();
    const x = Math.max(least.x, Math.min(240, this.scale.x * by));
    const y = Math.max(least.y, Math.min(90, this.scale.y * by));
    this.at.x = px - ((px - this.at.x) * x) / this.scale.x;
    this.at.y = py - ((py - this.at.y) * y) / this.scale.y;
    this.scale = { x, y };
    this.fitted = false;
    if (x === least.x && y === least.y) this.fit();
    else this.hold();
    if (!about) this.intoSight(this.active);
    this.draw();
  }
  // The tree cannot be pushed out of sight.
  hold() {
    const slack = 60;
    const within = (at, extent, size) => Math.max(Math.min(at, size - slack), slack - extent);
    this.at.x = within(this.at.x, (this.leaves - 1) * this.scale.x, this.width);
    this.at.y = within(this.at.y, (this.levels.length - 1) * this.scale.y, this.height);
  }
  intoSight(i) {
    if (!this.width || this.fitted) return;
    const [x, y] = this.point(i);
    const edge = 40;
    if (x < edge || x > this.width - edge) this.at.x += this.width / 2 - x;
    if (y < edge || y > this.height - edge) this.at.y += this.height / 2 - y;
  }
  point(i) {
    return [this.at.x + this.x[i] * this.scale.x, this.at.y + this.tree.depth[i] * this.scale.y];
  }
  radius() {
    return Math.max(1, Math.min(7, 0.42 * Math.min(this.scale.x, this.scale.y)));
  }

  recolor() {
    this.colors = null;
    this.drawSoon();
  }
  palette() {
    if (this.colors) return this.colors;
    const style = getComputedStyle(document.documentElement);
    const names = ['card', 'ink', 'muted', 'faint', 'line', 'accent', 'good', 'warn'];
    const colors = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    const parts = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    const [from, to] = [parts(colors.line), parts(colors.good)];
    colors.shades = Array.from({ length: TreeDrawing.shades }, (_, k) => {
      const share = k / (TreeDrawing.shades - 1);
      return `rgb(${from.map((c, j) => Math.round(c + (to[j] - c) * share)).join(' ')})`;
    });
    return (this.colors = colors);
  }

  drawSoon() {
    if (this.drawing || !this.width) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.draw();
    });
  }

  draw() {
    const context = this.canvas.getContext('2d');
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    this.drawEdges(context);
    this.drawNodes(context);
    this.drawLabels(context);
    this.drawMarks(context);
  }

  visible(x, y) {
    return x > -20 && x < this.width + 20 && y > -20 && y < this.height + 20;
  }

  // Where nodes lie closer than pixels, one of them is drawn.
  thinOut(places) {
    if (this.scale.x >= 1 && this.scale.y >= 1) return places;
    const cells = (this.cells ||= new Map());
    cells.clear();
    return places.filter((i) => {
      const [x, y] = this.point(i);
      const cell = Math.round(x) * 65536 + Math.round(y);
      return !cells.has(cell) && cells.set(cell, true);
    });
  }

  drawEdges(context) {
    const { tree } = this;
    const colors = this.palette();
    const kinds = TreeDrawing.edges.map(() => []);
    for (let i = 1; i < this.shown; ++i) if (tree.parent[i] >= 0) kinds[this.edge[i]].push(i);
    const styles = {
      given: [colors.line, 1],
      thin: this.radius() < 1.2 ? [colors.line, 0.8] : [colors.faint, 0.7],
      some: [colors.faint, 1.6],
      many: [colors.faint, 2.6],
      path: [colors.accent, 2.6],
    };
    kinds.forEach((places, kind) => this.strokeEdges(context, places, ...styles[TreeDrawing.edges[kind]]));
  }
  strokeEdges(context, places, color, width) {
    const { tree } = this;
    context.beginPath();
    for (const i of this.thinOut(places)) {
      const [x, y] = this.point(i);
      const [px, py] = this.point(tree.parent[i]);
      if (Math.max(x, px) < 0 || Math.min(x, px) > this.width || y < 0 || py > this.height) continue;
      context.moveTo(px, py);
      if (Math.abs(x - px) > 6) context.bezierCurveTo(px, (py + y) / 2, x, (py + y) / 2, x, y);
      else context.lineTo(x, y);
    }
    context.strokeStyle = color;
    context.lineWidth = width;
    context.stroke();
  }

  shape(context, i, radius) {
    const [x, y] = this.point(i);
    if (!this.visible(x, y)) return;
    if (radius < 2 || this.tree.nodes[i].answered) {
      context.rect(x - radius, y - radius, 2 * radius, 2 * radius);
    } else {
      context.moveTo(x + radius, y);
      context.arc(x, y, radius, 0, 2 * Math.PI);
    }
  }
  drawNodes(context) {
    const { shades } = TreeDrawing;
    const colors = this.palette();
    const radius = this.radius();
    const kinds = Array.from({ length: shades + 2 }, () => []);
    for (let i = 0; i < this.shown; ++i) kinds[this.shade[i]].push(i);
    const paint = (places, fill, stroke, size, width = 1) => {
      context.beginPath();
      for (const i of this.thinOut(places)) this.shape(context, i, size);
      if (fill) {
        context.fillStyle = fill;
        context.fill();
      }
      if (stroke && size > 2) {
        context.strokeStyle = stroke;
        context.lineWidth = width;
        context.stroke();
      }
    };
    paint(kinds[shades], radius > 2 ? colors.card : colors.line, colors.faint, Math.max(1, radius * 0.7));
    paint(kinds[shades + 1], colors.card, colors.faint, radius);
    for (let k = 0; k < shades; ++k) paint(kinds[k], colors.shades[k], colors.muted, radius, 0.8);
    const path = this.tree.nodes.flatMap((node, i) => (node.path && i < this.shown ? [i] : []));
    if (this.scale.y < 6) this.strokeEdges(context, path.slice(1), colors.accent, 2.6); // over nodes that touch
    else paint(path, null, colors.accent, Math.max(3, radius), 2);
  }

  // Leaves have theirs below, other nodes beside them, out of the way of the edges, where there is room.
  drawLabels(context) {
    if (this.scale.x < 34 || this.scale.y < 34) return;
    const colors = this.palette();
    const radius = this.radius();
    const most = Math.floor((this.scale.x - 2 * radius - 8) / 6);
    context.font = '11px system-ui, sans-serif';
    context.lineWidth = 3;
    context.lineJoin = 'round';
    context.strokeStyle = colors.card;
    for (let i = 0; i < this.shown; ++i) {
      const [x, y] = this.point(i);
      if (!this.visible(x, y)) continue;
      const node = this.tree.nodes[i];
      const text = most > 10 && node.text ? oneLine(node.text, most - 1) : fixed(this.tree.worth(i), 2);
      const beside = this.tree.children[i].length > 0 && this.room[i] * this.scale.x > 2 * radius + 8 + 6 * text.length;
      context.textAlign = beside ? 'left' : 'center';
      context.textBaseline = beside ? 'middle' : 'top';
      const at = beside ? [x + radius + 5, y] : [x, y + radius + 4];
      context.fillStyle = this.tree.givenUp(i) ? colors.faint : colors.muted;
      context.strokeText(text, ...at);
      context.fillText(text, ...at);
    }
  }

  drawMarks(context) {
    const colors = this.palette();
    const ring = (i, color, extra, width) => {
      const [x, y] = this.point(i);
      context.beginPath();
      context.arc(x, y, this.radius() + extra, 0, 2 * Math.PI);
      context.strokeStyle = color;
      context.lineWidth = width;
      context.stroke();
    };
    for (const i of this.found) if (i < this.shown) ring(i, colors.warn, 2.5, 1.6);
    if (this.active < this.shown) ring(this.active, colors.ink, 4, 2);
    if (document.activeElement === this.canvas) ring(this.active, colors.accent, 7, 2);
  }

  // The node at a point of the canvas, or -1.
  hit(px, py) {
    const reach = Math.max(8, this.radius() + 3);
    const wanted = (px - this.at.x) / this.scale.x;
    let best = -1;
    let distance = reach * reach;
    const first = Math.max(0, Math.ceil((py - reach - this.at.y) / this.scale.y));
    const last = Math.min(this.levels.length - 1, Math.floor((py + reach - this.at.y) / this.scale.y));
    for (let level = first; level <= last; ++level) {
      const places = this.levels[level];
      let [low, high] = [0, places.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (this.x[places[middle]] < wanted - reach / this.scale.x) low = middle + 1;
        else high = middle;
      }
      for (let k = low; k < places.length; ++k) {
        const [x, y] = this.point(places[k]);
        if (x > px + reach) break;
        const square = (x - px) ** 2 + (y - py) ** 2;
        if (places[k] >= this.shown || square > distance) continue;
        distance = square;
        best = places[k];
      }
    }
    return best;
  }

  spot(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
  press(event) {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.drag = { from: this.spot(event), at: { ...this.at }, moved: false };
  }
  move(event) {
    const [x, y] = this.spot(event);
    if (!this.drag) {
      this.hover(this.hit(x, y), event);
      return;
    }
    const [dx, dy] = [x - this.drag.from[0], y - this.drag.from[1]];
    if (!this.drag.moved && Math.hypot(dx, dy) < 4) return;
    this.drag.moved = true;
    this.hover(-1);
    this.at = { x: this.drag.at.x + dx, y: this.drag.at.y + dy };
    this.fitted = false;
    this.hold();
    this.drawSoon();
  }
  release(event) {
    const { drag } = this;
    this.drag = null;
    if (!drag || drag.moved) return;
    const i = this.hit(...this.spot(event));
    if (i >= 0) this.chosen(i);
  }
  wheel(event) {
    event.preventDefault();
    this.hover(-1);
    if (event.shiftKey) {
      this.at.x -= event.deltaY || event.deltaX;
      this.fitted = false;
      this.hold();
      this.drawSoon();
    } else {
      this.zoom(Math.exp(-event.deltaY / 400), this.spot(event));
    }
  }
  hover(i, event) {
    this.canvas.style.cursor = i >= 0 ? 'pointer' : 'grab';
    if (i < 0) {
      tooltip.hide();
      return;
    }
    const node = this.tree.nodes[i];
    tooltip.show(event.clientX, event.clientY, oneLine(nodeText(this.tree, i), 90), [
      ['value', fixed(this.tree.worth(i), 2)],
      ['visits', whole(this.tree.visits[i])],
    ]);
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const { tree, active } = this;
    const parent = tree.parent[active];
    const beside = (by) => {
      const level = this.levels[tree.depth[active]];
      let at = level.indexOf(active) + by;
      while (at >= 0 && at < level.length && level[at] >= this.shown) at += by;
      if (at >= 0 && at < level.length) this.chosen(level[at]);
    };
    const kids = tree.children[active].filter((kid) => kid < this.shown);
    const acts = {
      ArrowUp: () => parent >= 0 && this.chosen(parent),
      ArrowDown: () => kids.length && this.chosen(kids.find((kid) => tree.nodes[kid].path) ?? kids[0]),
      ArrowLeft: () => beside(-1),
      ArrowRight: () => beside(1),
      '+': () => this.zoom(1.6),
      '-': () => this.zoom(1 / 1.6),
      0: () => this.fit(),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  }
}
