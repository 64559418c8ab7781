// The page of one search tree: what was searched on top, the drawing, the outline and the pane of one node below, all of
// which stand at the same node at the same moment of the search.

class TreePage {
  constructor(data) {
    this.data = data;
    this.tree = new SearchTree(data.nodes, data.backups);
    this.drawing = new TreeDrawing(this.tree, (i) => this.goTo(i));
    this.outline = new TreeOutline(this.tree, (i) => this.goTo(i, this.outline));
    this.details = new NodeDetails(this.tree, (i) => this.goTo(i), {
      prompts: data.prompts,
      first: () => this.answers(),
      last: () => this.aboutSearch(),
    });
    this.replay = new Replay(this.tree.size, (count, newest) => this.show(count, newest));
    this.find = new Find(this.tree, (places, wanted, current) => this.found(places, wanted, current));
    this.work = div(
      'work both',
      div('views', this.drawing.root, div('outline', outlineTools(this.outline), this.outline.root)),
      this.details.root,
    );
    const views = [
      ['both', 'Both'],
      ['drawing-only', 'Drawing'],
      ['outline-only', 'Outline'],
    ];
    const view = tabs('View', views, 'both', (kind) => (this.work.className = `work ${kind}`));
    this.root = div('tree-page', this.head(), div('row spread tree-bar', this.replay.root, div('row', this.find.root, view)), this.work);
    this.details.show(0);
    document.addEventListener('keydown', (event) => this.key(event));
  }

  // Every view goes there; `from` is there already.
  goTo(i, from) {
    if (i >= this.replay.count) this.replay.user(this.tree.size); // it is not made yet: back to the end
    if (from !== this.outline) this.outline.goTo(i);
    this.drawing.goTo(i);
    this.details.show(i);
  }
  show(count, newest) {
    this.tree.moment(count);
    this.outline.shown = count;
    this.drawing.show(count);
    if (newest === null) {
      this.outline.refresh();
      this.details.show(this.outline.active);
      return;
    }
    this.outline.goTo(newest);
    this.drawing.goTo(newest);
    this.details.show(newest);
  }
  found(places, wanted, current) {
    this.drawing.find(places);
    this.outline.find(wanted);
    if (current >= 0) this.goTo(current);
  }

  head() {
    const { data } = this;
    const fact = (name, value) => value !== null && value !== undefined && value !== '' && span('', `${name} `, el('b', { class: 'num' }, value));
    const tokens = (n) => isNumber(n) && n > 0 && whole(n);
    return el(
      'header',
      { class: 'tree-head' },
      div(
        'row',
        el('h1', {}, data.name),
        div(
          'facts',
          fact('answer', data.answer === null ? 'none' : oneLine(data.answer, 60)),
          fact('nodes', whole(this.tree.size)),
          fact('depth', whole(data.depth)),
          fact('answers found', whole(data.answers)),
          fact('tokens written', tokens(data.tokens_generated) || null),
          fact('tokens read', tokens(data.critic_tokens) || null),
        ),
      ),
      data.question && el('p', { class: 'question', tabindex: 0, 'aria-label': 'Problem' }, data.question.slice(0, 20000)),
    );
  }

  aboutSearch() {
    const { data } = this;
    const rows = [
      ['model', data.model],
      ['seed', data.seed],
      ['strategy', data.strategy],
      ['tokens processed', isNumber(data.tokens_processed) ? whole(data.tokens_processed) : null],
      ['seconds', isNumber(data.seconds) ? fixed(data.seconds, 1) : null],
    ].filter(([, value]) => value !== null && value !== undefined && value !== '');
    const options = Object.entries(data.options || {});
    const given = new Set((data.given || []).map((option) => option.split('=')[0]));
    const table = (pairs) =>
      el(
        'table',
        { class: 'pairs small' },
        pairs.map(([name, value]) => el('tr', {}, el('td', { class: 'muted' }, name), el('td', {}, given.has(name) ? el('b', {}, String(value)) : String(value)))),
      );
    return [
      rows.length > 0 && [el('h4', {}, 'The search'), table(rows)],
      options.length > 0 && fold(`Its options, ${options.length}`, table(options)),
      el('h4', {}, 'Keys'),
      paragraph(
        'muted small',
        '/ finds a text, Enter goes to the next. P plays and pauses, comma and full stop go a node back and on. Arrow keys move in ' +
          'outline and drawing; Enter folds, + − 0 zoom the drawing.',
      ),
    ].flat();
  }
  answers() {
    const most = 12;
    const found = [...this.data.found].sort((a, b) => b.count - a.count);
    if (!found.length) return [];
    const all = found.reduce((sum, row) => sum + row.count, 0);
    return [
      el('h4', {}, 'Answers found'),
      found.slice(0, most).map((row) =>
        el(
          'button',
          { type: 'button', class: `answer-row${row.answer === this.data.answer ? ' path' : ''}`, onclick: () => this.showAnswer(row.answer) },
          span('answer-text', oneLine(row.answer, 60)),
          el('span', { class: 'answer-bar' }, el('i', { style: `width: ${(100 * row.count) / found[0].count}%` })),
          span('muted small num', `${whole(row.count)} of ${whole(all)}`),
        ),
      ),
      found.length > most && paragraph('muted small', `and ${whole(found.length - most)} more`),
    ].flat();
  }
  // All ends that say so, the best first.
  showAnswer(answer) {
    const places = this.tree.nodes.flatMap((node, i) => (node.answer === answer ? [i] : []));
    places.sort((a, b) => (this.tree.nodes[b].path ? 1 : 0) - (this.tree.nodes[a].path ? 1 : 0) || (this.tree.worth(b) || 0) - (this.tree.worth(a) || 0));
    this.find.input.value = '';
    this.find.show(places, '');
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches('input, select, textarea')) return;
    const acts = {
      '/': () => this.find.input.focus(),
      p: () => this.replay.toggle(),
      ',': () => this.replay.step(-1),
      '.': () => this.replay.step(1),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }
}

function showTree() {
  const data = JSON.parse(document.getElementById('data').textContent);
  window.treePage = new TreePage(data); // for tests, and for a look from the console
  document.getElementById('main').replaceChildren(window.treePage.root);
  themeButton();
}

showTree();
