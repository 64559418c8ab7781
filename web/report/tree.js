// A search tree as an outline that opens and folds. The keyboard follows the ARIA tree pattern.
// nodes: those of search/tree.h's tree_json().

class TreeView {
  constructor(nodes) {
    this.nodes = nodes;
    this.byId = new Map(nodes.map((n) => [n.id, n]));
    this.children = new Map(nodes.map((n) => [n.id, []]));
    this.roots = [];
    for (const n of nodes) (this.children.get(n.parent) || this.roots).push(n);
    this.last = Math.max(...nodes.map((n) => n.order)); // nodes made later are not shown
    this.open = new Set();
    this.active = this.roots[0].id; // where the keyboard stands
    this.outline = div('tree');
    this.root = div('', this.tools(), this.outline);
    this.openChosen();
  }

  tools() {
    const count = span('muted small num');
    const tell = () => {
      const shown = this.nodes.filter((n) => n.order <= this.last).length;
      count.textContent = `${shown} of ${this.nodes.length} nodes`;
    };
    const grow = (event) => {
      this.last = Number(event.currentTarget.value);
      tell();
      this.render();
    };
    const range = { type: 'range', min: 0, max: this.last, value: this.last, 'aria-label': 'Growth of the tree' };
    const button = (text, act) => el('button', { type: 'button', class: 'quiet small', onclick: act }, text);
    tell();
    return div(
      'row tools tree-tools',
      button('Chosen path', () => this.openChosen()),
      button('Open all', () => this.openOnly(this.nodes)),
      button('Fold all', () => this.openOnly([])),
      el('label', { class: 'muted small row' }, 'Growth', el('input', { ...range, oninput: grow })),
      count,
    );
  }

  openChosen() {
    this.openOnly(this.nodes.filter((n) => n.path || n.parent < 0));
  }

  openOnly(nodes) {
    this.open = new Set(nodes.map((n) => n.id));
    this.render();
  }

  toggle(node) {
    if (!this.open.delete(node.id)) this.open.add(node.id);
    this.active = node.id;
    this.render();
    this.items.get(node.id).focus({ preventScroll: true });
  }

  kids(node) {
    return this.children.get(node.id).filter((n) => n.order <= this.last);
  }

  render() {
    this.items = new Map(); // in the order of the lines
    const attributes = { role: 'tree', 'aria-label': 'Search tree', onkeydown: (e) => this.key(e) };
    this.outline.replaceChildren(el('ul', attributes, ...this.roots.map((n) => this.item(n, 1))));
    if (!this.items.has(this.active)) this.active = this.roots[0].id;
    this.items.get(this.active).tabIndex = 0;
  }

  item(node, level) {
    const kids = this.kids(node);
    const open = this.open.has(node.id);
    const item = el('li', {
      role: 'treeitem',
      'aria-level': level,
      'aria-expanded': kids.length ? String(open) : null,
      'aria-label': this.describe(node),
      tabindex: -1,
      onclick: (event) => {
        event.stopPropagation();
        this.activate(node.id);
      },
    });
    this.items.set(node.id, item);
    item.append(this.line(node, kids.length, open));
    if (open && kids.length) item.append(el('ul', { role: 'group' }, ...kids.map((k) => this.item(k, level + 1))));
    return item;
  }

  line(node, kids, open) {
    const value = isNumber(node.value) ? node.value : node.mean;
    const share = Math.round(Math.max(0, Math.min(1, value || 0)) * 45);
    const shade = isNumber(value) ? `background: color-mix(in srgb, var(--good) ${share}%, var(--card))` : null;
    const toggle = (event) => {
      event.stopPropagation();
      if (kids) this.toggle(node);
    };
    const title = node.parent < 0 ? 'Start' : `Node ${node.id}`;
    return el(
      'div',
      {
        class: `node${node.path ? ' path' : ''}${node.pruned ? ' pruned' : ''}`,
        onpointerenter: (event) => tooltip.show(event.clientX, event.clientY, title, this.facts(node)),
        onpointerleave: () => tooltip.hide(),
        ondblclick: toggle,
      },
      el('span', { class: 'fold', onclick: toggle }, kids ? (open ? '▾' : '▸') : ''),
      el('span', { class: 'value', style: shade }, fixed(value, 2)),
      span('visits', node.visits > 0 && `${node.visits}×`),
      node.text ? stepTrace(node.text) : span('muted small', node.parent < 0 ? 'problem' : 'nothing written'),
      this.flags(node),
      kids > 0 && !open && span('muted small', `+${kids}`),
    );
  }

  flags(node) {
    const answer = node.path ? span('chip accent', 'chosen answer') : span('chip', 'answer');
    return [
      node.terminal && (node.answered ? answer : span('chip', 'end')),
      node.pruned && span('chip', 'pruned'),
      node.rollout && span('chip', 'rollout'),
    ];
  }

  facts(node) {
    return [
      ['value', fixed(node.value, 3)],
      ['mean of visits', fixed(node.mean, 3)],
      ['visits', whole(node.visits)],
      ['prior', fixed(node.prior, 3)],
      ['log-prob', fixed(node.logp, 2)],
      ['made as', `no. ${node.order}`],
    ];
  }

  describe(node) {
    const flags = { 'on the chosen path': node.path, pruned: node.pruned, end: node.terminal };
    const named = Object.keys(flags).filter((flag) => flags[flag]);
    return [`${node.text || 'problem'}: value ${fixed(node.value, 2)}`, `${whole(node.visits)} visits`, ...named].join(
      ', ',
    );
  }

  activate(id) {
    this.items.get(this.active).tabIndex = -1;
    this.active = id;
    const item = this.items.get(id);
    item.tabIndex = 0;
    item.focus({ preventScroll: true });
    item.firstChild.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }

  key(event) {
    const order = [...this.items.keys()];
    const at = order.indexOf(this.active);
    const node = this.byId.get(this.active);
    const kids = this.kids(node);
    const open = kids.length > 0 && this.open.has(node.id);
    const go = (id) => this.items.has(id) && this.activate(id);
    const fold = () => kids.length > 0 && this.toggle(node);
    const acts = {
      ArrowDown: () => go(order[at + 1]),
      ArrowUp: () => go(order[at - 1]),
      Home: () => go(order[0]),
      End: () => go(order[order.length - 1]),
      ArrowRight: () => (open ? go(kids[0].id) : fold()),
      ArrowLeft: () => (open ? fold() : go(node.parent)),
      Enter: fold,
      ' ': fold,
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }
}
