// A search tree, and its outline: one line a node, which opens and folds. Only the lines in sight are in the page, so
// trees of any size and depth scroll. The keyboard follows the ARIA tree pattern.

// nodes: those of search/tree.h's tree_json(). A node is named by its place in the order in which they were made.
// backups: [nodes made by then, place of a node, value], one a simulation; with them it knows every moment of the search.
class SearchTree {
  constructor(nodes, backups = []) {
    this.nodes = [...nodes].sort((a, b) => a.order - b.order);
    this.backups = backups;
    const place = new Map(this.nodes.map((node, i) => [node.id, i]));
    this.parent = this.nodes.map((node, i) => (place.get(node.parent) < i ? place.get(node.parent) : -1));
    this.children = this.nodes.map(() => []);
    this.depth = this.nodes.map(() => 0);
    this.below = this.nodes.map(() => 0);
    this.parent.forEach((parent, i) => {
      if (parent < 0) return;
      this.children[parent].push(i);
      this.depth[i] = this.depth[parent] + 1;
    });
    this.roots = this.parent.flatMap((parent, i) => (parent < 0 ? [i] : []));
    for (let i = this.size - 1; i > 0; --i) {
      if (this.parent[i] >= 0) this.below[this.parent[i]] += this.below[i] + 1;
    }
    // What stands here is of the moment that moment() went to; at first that is the end.
    this.visits = this.nodes.map((node) => node.visits || 0);
    this.means = this.nodes.map((node) => (isNumber(node.mean) ? node.mean : null));
    this.ended = true;
    if (backups.length) {
      this.counts = new Int32Array(this.size);
      this.sums = new Float64Array(this.size);
      this.made = 0; // backups that are in them
      this.moment(this.size);
    }
  }

  // Goes to the moment when so many nodes were made. Without backups scores and visits stay those of the end.
  moment(count) {
    const { backups } = this;
    this.ended = count >= this.size;
    if (!backups.length) return;
    const count_in = ([, place, value], sign) => {
      for (let at = place; at >= 0; at = this.parent[at]) {
        this.counts[at] += sign;
        this.sums[at] += sign * value;
        this.visits[at] = this.counts[at];
        this.means[at] = this.counts[at] > 0 ? this.sums[at] / this.counts[at] : null;
      }
    };
    while (this.made < backups.length && backups[this.made][0] <= count) count_in(backups[this.made++], 1);
    while (this.made > 0 && backups[this.made - 1][0] > count) count_in(backups[--this.made], -1);
  }

  get size() {
    return this.nodes.length;
  }

  // The one number that stands for a node.
  worth(i) {
    return isNumber(this.value(i)) ? this.value(i) : this.means[i];
  }
  // A step of a simulation is judged when it is visited; ends and what no simulation visits are judged when they are made.
  value(i) {
    const { value, terminal, visits } = this.nodes[i];
    if (!isNumber(value)) return null;
    return this.backups.length && !terminal && visits > 0 && this.visits[i] === 0 ? null : value;
  }

  // Nothing says when a node was given up, so before the end none is.
  givenUp(i) {
    return this.ended && this.nodes[i].pruned === true;
  }

  // From the root's child down to the parent.
  above(i) {
    const way = [];
    for (let at = this.parent[i]; at >= 0; at = this.parent[at]) way.push(at);
    return way.reverse();
  }
}

const nodeTitle = (tree, i) => (i === 0 ? 'Problem' : `Node ${tree.nodes[i].id}`);
const nodeText = (tree, i) => tree.nodes[i].text || (i === 0 ? 'problem' : 'nothing written');

// The first so many characters, in one line.
function oneLine(text, most = 240) {
  const line = text.slice(0, 2 * most).replace(/\s+/g, ' ').trim();
  return line.length > most || text.length > 2 * most ? `${line.slice(0, most)}…` : line;
}

function nodeChips(tree, i) {
  const node = tree.nodes[i];
  const answer = node.answer ? `= ${oneLine(String(node.answer), 24)}` : 'answer';
  return [
    node.terminal && span(node.path && node.answered ? 'chip accent' : 'chip', node.answered ? answer : 'end'),
    tree.givenUp(i) && span('chip', 'given up'),
    node.rollout && !node.asked && span('chip', 'rollout'),
    node.asked && span('chip', node.second ? "the second model's reply" : 'reply'),
    node.forced && span('chip', 'written for it'),
    node.starts && !node.asked && span('chip', 'written anew'),
  ];
}

function valueBadge(worth) {
  const share = Math.round(Math.max(0, Math.min(1, worth || 0)) * 45);
  const shade = isNumber(worth) ? `background: color-mix(in srgb, var(--good) ${share}%, var(--card))` : null;
  return el('span', { class: 'value', style: shade }, fixed(worth, 2));
}

// What is looked for stands out in a line.
function marked(line, wanted) {
  const parts = [];
  const low = line.toLowerCase();
  let from = 0;
  for (let at = low.indexOf(wanted); at >= 0; at = low.indexOf(wanted, from)) {
    parts.push(line.slice(from, at), el('mark', {}, line.slice(at, at + wanted.length)));
    from = at + wanted.length;
  }
  return span('trace', ...parts, line.slice(from));
}

class TreeOutline {
  static lineHeight = 26; // as in tree.css
  static indents = 24; // deeper levels stand at the same place and say their number

  // chosen(i): the user went to a node here
  constructor(tree, chosen) {
    this.tree = tree;
    this.chosen = chosen;
    this.shown = tree.size; // nodes made later are not shown
    this.open = new Set();
    this.trail = new Set(); // open as long as the node under them is the active one
    this.active = 0;
    this.wanted = '';
    this.rows = [];
    this.rowOf = new Int32Array(tree.size);
    this.name = `outline-${(TreeOutline.count = (TreeOutline.count || 0) + 1)}`;
    this.lines = div('tree-lines');
    this.space = div('tree-space', this.lines);
    const attributes = { class: 'tree', role: 'tree', tabindex: 0, 'aria-label': 'Steps of the search' };
    this.root = el(
      'div',
      { ...attributes, onscroll: () => this.paintSoon(), onkeydown: (event) => this.key(event) },
      this.space,
    );
    new ResizeObserver(() => this.paintSoon()).observe(this.root);
    this.openChosen();
  }

  isOpen(i) {
    return this.open.has(i) || this.trail.has(i);
  }
  openChosen() {
    this.openOnly(this.tree.nodes.flatMap((node, i) => (node.path || this.tree.parent[i] < 0 ? [i] : [])));
  }
  openAll() {
    this.openOnly(this.tree.nodes.keys());
  }
  foldAll() {
    this.openOnly([]);
    this.goTo(0);
  }
  openOnly(places) {
    this.open = new Set(places);
    this.trail.clear();
    this.refresh();
  }
  show(count) {
    this.shown = count;
    this.refresh();
  }
  find(wanted) {
    this.wanted = wanted.toLowerCase();
    this.paint();
  }
  // Makes it the active one and brings it into sight, whatever is folded.
  goTo(i) {
    this.active = i;
    this.trail = new Set(this.tree.above(i));
    this.layOut();
    this.intoSight();
  }

  toggle(i) {
    if (this.isOpen(i)) {
      this.open.delete(i);
      this.trail.delete(i);
    } else {
      this.open.add(i);
    }
    this.choose(i);
  }
  choose(i) {
    for (const open of this.trail) this.open.add(open); // what the user has seen stays
    this.trail.clear();
    this.active = i;
    this.layOut();
    this.intoSight();
    this.chosen(i);
  }

  kids(i) {
    const all = this.tree.children[i];
    return this.shown === this.tree.size ? all : all.filter((child) => child < this.shown);
  }

  refresh() {
    this.layOut();
    this.paint();
  }
  // Which lines there are.
  layOut() {
    const { tree } = this;
    this.rows = [];
    this.rowOf.fill(-1);
    const waiting = [...tree.roots].reverse();
    while (waiting.length) {
      const i = waiting.pop();
      if (i >= this.shown) continue;
      this.rowOf[i] = this.rows.length;
      this.rows.push(i);
      if (!this.isOpen(i)) continue;
      const kids = tree.children[i];
      for (let k = kids.length - 1; k >= 0; --k) waiting.push(kids[k]);
    }
    if (this.rowOf[this.active] < 0) {
      let at = this.active;
      while (at > 0 && this.rowOf[at] < 0) at = tree.parent[at];
      this.active = Math.max(0, at);
    }
    this.space.style.height = `${this.rows.length * TreeOutline.lineHeight}px`;
  }

  paintSoon() {
    if (this.painting) return;
    this.painting = true;
    requestAnimationFrame(() => {
      this.painting = false;
      this.paint();
    });
  }
  paint() {
    const spare = 8; // lines beyond the edges
    const first = Math.max(0, Math.floor(this.root.scrollTop / TreeOutline.lineHeight) - spare);
    const count = Math.ceil((this.root.clientHeight || 600) / TreeOutline.lineHeight) + 2 * spare;
    this.lines.style.transform = `translateY(${first * TreeOutline.lineHeight}px)`;
    this.lines.replaceChildren(...this.rows.slice(first, first + count).map((i) => this.line(i)));
    const row = this.rowOf[this.active];
    const there = row >= first && row < first + count;
    if (there) this.root.setAttribute('aria-activedescendant', `${this.name}-${this.active}`);
    else this.root.removeAttribute('aria-activedescendant');
  }

  intoSight() {
    const height = TreeOutline.lineHeight;
    const top = this.rowOf[this.active] * height; // with a line of those around it
    const { scrollTop, clientHeight } = this.root;
    if (top < scrollTop + height) this.root.scrollTop = top - height;
    else if (top + 2.5 * height > scrollTop + clientHeight) this.root.scrollTop = top + 2.5 * height - clientHeight;
    this.paint();
  }

  line(i) {
    const { tree } = this;
    const node = tree.nodes[i];
    const kids = this.kids(i).length;
    const open = this.isOpen(i);
    const depth = tree.depth[i];
    const siblings = tree.parent[i] < 0 ? [i] : this.kids(tree.parent[i]);
    const classes = ['node', node.path && 'path', tree.givenUp(i) && 'pruned', i === this.active && 'active'];
    const text = oneLine(nodeText(tree, i));
    const fold = (event) => {
      event.stopPropagation();
      if (kids) this.toggle(i);
    };
    const mark = el('span', { class: 'fold', onclick: fold }, kids ? (open ? '▾' : '▸') : '');
    return el(
      'div',
      {
        class: classes.filter(Boolean).join(' '),
        id: `${this.name}-${i}`,
        role: 'treeitem',
        'aria-level': depth + 1,
        'aria-setsize': siblings.length,
        'aria-posinset': siblings.indexOf(i) + 1,
        'aria-expanded': kids ? String(open) : null,
        'aria-selected': String(i === this.active),
        'aria-label': this.describe(i),
        onclick: () => this.choose(i),
        ondblclick: fold,
      },
      el('span', { class: 'indent', style: `width: ${Math.min(depth, TreeOutline.indents) * 17}px` }),
      depth > TreeOutline.indents && span('level', depth),
      mark,
      valueBadge(tree.worth(i)),
      span('visits', tree.visits[i] > 0 && `${short(tree.visits[i])}×`),
      this.wanted ? marked(text, this.wanted) : node.text ? stepTrace(text) : span('trace muted', text),
      nodeChips(tree, i),
      kids > 0 && !open && span('muted small', `+${kids}`),
    );
  }

  describe(i) {
    const node = this.tree.nodes[i];
    const flags = { 'on the chosen path': node.path, 'given up': this.tree.givenUp(i), end: node.terminal };
    const named = Object.keys(flags).filter((flag) => flags[flag]);
    return [
      `${oneLine(nodeText(this.tree, i))}: value ${fixed(this.tree.worth(i), 2)}`,
      `${whole(this.tree.visits[i])} visits`,
      ...named,
    ].join(', ');
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const i = this.active;
    const row = this.rowOf[i];
    const kids = this.kids(i);
    const open = kids.length > 0 && this.isOpen(i);
    const page = Math.max(1, Math.floor(this.root.clientHeight / TreeOutline.lineHeight) - 1);
    const goRow = (to) => this.choose(this.rows[Math.max(0, Math.min(this.rows.length - 1, to))]);
    const fold = () => kids.length > 0 && this.toggle(i);
    const acts = {
      ArrowDown: () => goRow(row + 1),
      ArrowUp: () => goRow(row - 1),
      PageDown: () => goRow(row + page),
      PageUp: () => goRow(row - page),
      Home: () => goRow(0),
      End: () => goRow(this.rows.length - 1),
      ArrowRight: () => (open ? this.choose(kids[0]) : fold()),
      ArrowLeft: () => (open ? fold() : this.tree.parent[i] >= 0 && this.choose(this.tree.parent[i])),
      Enter: fold,
      ' ': fold,
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  }
}

// Buttons above an outline.
function outlineTools(outline) {
  const button = (text, act) => el('button', { type: 'button', class: 'quiet small', onclick: act }, text);
  return div(
    'row tree-tools',
    button('Chosen path', () => outline.openChosen()),
    button('Open all', () => outline.openAll()),
    button('Fold all', () => outline.foldAll()),
  );
}
