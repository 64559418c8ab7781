// The pane of one node of a search tree: what it says, how it was judged, where it stands.

class NodeDetails {
  // go(i): the user follows a link to another node. extras.prompts: texts that nodes stand behind; extras.first() and
  // extras.last(): what the pane says about the problem before and behind its first steps.
  constructor(tree, go, extras = {}) {
    this.tree = tree;
    this.go = go;
    this.extras = extras;
    this.root = el('div', { class: 'details', role: 'region', 'aria-label': 'The chosen node', 'aria-live': 'off' });
  }

  show(i) {
    const { first, last } = this.extras;
    const parts = [this.heading(i), i === 0 && first ? first() : this.body(i), this.next(i), i === 0 && last && last()];
    this.root.replaceChildren(...parts.flat().filter(Boolean));
    this.root.scrollTop = 0;
  }

  heading(i) {
    const node = this.tree.nodes[i];
    return div(
      'row details-head',
      el('h3', {}, nodeTitle(this.tree, i)),
      i > 0 && span('muted small num', `level ${whole(this.tree.depth[i])}, made as no. ${whole(i)}`),
      node.path && i > 0 && span('chip accent', 'on the chosen path'),
      nodeChips(this.tree, i),
    );
  }

  body(i) {
    const { prompts } = this.extras;
    const node = this.tree.nodes[i];
    const asked = prompts && isNumber(node.prompt) && node.starts && prompts[node.prompt];
    return [
      this.facts(i),
      asked && [el('h4', {}, node.asked ? 'What was asked' : 'Written behind'), this.text(asked, true)],
      (i > 0 || node.text) && [el('h4', {}, node.asked ? 'The reply' : 'This step'), this.text(node.text)],
      this.way(i),
    ].flat(2);
  }

  facts(i) {
    const node = this.tree.nodes[i];
    const each = isNumber(node.logp) && node.tokens > 0 ? node.logp / node.tokens : null;
    const facts = [
      ['value', fixed(this.tree.value(i), 3)],
      ['mean of visits', fixed(this.tree.means[i], 3)],
      ['visits', whole(this.tree.visits[i])],
      ['prior', fixed(node.prior, 3)],
      ['log-prob', fixed(node.logp, 2)],
      ['log-prob a token', fixed(each, 2)],
      ['tokens', whole(node.tokens)],
    ];
    return el(
      'dl',
      { class: 'node-facts num' },
      facts.map(([name, value]) => div('', el('dt', {}, name), el('dd', {}, value))),
    );
  }

  // Texts may be as long as they like; the page stays quick.
  text(text, quiet) {
    const most = 20000;
    if (!text) return paragraph('muted', 'Nothing was written.');
    const box = div(quiet ? 'step-text muted' : 'step-text', trace(text.slice(0, most)));
    if (text.length > most) {
      const all = () => box.replaceChildren(trace(text));
      box.append(el('button', { type: 'button', class: 'quiet small', onclick: all }, `Show all ${whole(text.length)} characters`));
    }
    return box;
  }

  link(i) {
    const node = this.tree.nodes[i];
    const classes = `step-link${node.path ? ' path' : ''}${this.tree.givenUp(i) ? ' pruned' : ''}`;
    return el(
      'button',
      { type: 'button', class: classes, onclick: () => this.go(i) },
      valueBadge(this.tree.worth(i)),
      span('visits', this.tree.visits[i] > 0 && `${short(this.tree.visits[i])}×`),
      span('trace', oneLine(nodeText(this.tree, i), 160)),
      node.answered && node.answer && span('muted small', `= ${oneLine(String(node.answer), 24)}`),
    );
  }

  way(i) {
    const most = 12;
    const above = this.tree.above(i);
    if (!above.length) return null;
    const left = above.length - most;
    return [
      el('h4', {}, 'The steps before'),
      left > 0 && paragraph('muted small', `${whole(left)} earlier steps, then`),
      above.slice(-most).map((step) => this.link(step)),
    ].flat();
  }

  next(i) {
    const most = 12;
    const { tree } = this;
    const kids = tree.children[i];
    if (!kids.length) return null;
    const visits = (k) => tree.visits[k];
    const best = [...kids].sort((a, b) => visits(b) - visits(a) || (tree.worth(b) || 0) - (tree.worth(a) || 0) || a - b);
    const chosen = best.find((k) => tree.nodes[k].path);
    const shown = best.slice(0, most);
    if (chosen !== undefined && !shown.includes(chosen)) shown[most - 1] = chosen;
    return [
      el('h4', {}, kids.length === 1 ? 'What follows' : `What follows, ${whole(kids.length)} ways`),
      shown.map((kid) => this.link(kid)),
      best.length > most && paragraph('muted small', `and ${whole(best.length - most)} more`),
    ].flat();
  }
}
