// What can be read: transcripts and search trees.

function transcriptSide(r) {
  return div(
    'side',
    div(
      'row',
      el('b', {}, modelName(r.model)),
      verdictChip(r.verdict),
      span('muted small num', `${whole(r.tokens)} tokens`),
    ),
    trace(r.text),
    r.verdict !== 'correct' && r.reason && paragraph('muted small reason', `Verifier: ${r.reason}`),
  );
}

function transcriptPair(rows, open) {
  const mark = (r) => (r.verdict === 'correct' ? el('b', { class: 'b-yes' }, '✓') : el('b', { class: 'b-no' }, '✗'));
  const verdicts = rows.map((r, i) => [i > 0 && ' → ', `${modelName(r.model)} `, mark(r)]);
  const summary = el(
    'summary',
    {},
    span('chip', rows[0].task),
    span('question mono', rows[0].question),
    span('small muted', verdicts),
  );
  return el('details', { class: 'card pair', open }, summary, div('sides', rows.map(transcriptSide)));
}

function transcripts(report) {
  if (!report.transcripts.length) return null;
  const key = (r) => `${r.task}\n${r.problem}`;
  const order = (r) => ['sft', 'rl'].indexOf(r.model);
  const pairs = unique(report.transcripts.map(key)).map((k) =>
    report.transcripts.filter((r) => key(r) === k).sort((a, b) => order(a) - order(b)),
  );
  const rule = notesOn(report, 'transcripts').join(' ');
  const intro = rule ? `How these were chosen: ${rule}` : 'The rows do not say how these were chosen.';
  return section(
    'transcripts',
    'Thoughts to read',
    intro,
    div('row tools', traceKey()),
    pairs.map((rows, i) => transcriptPair(rows, i === 0)),
  );
}

// A tree with its replay and the pane of one node; web/tree/ has the whole page of one.
function treeView(nodes) {
  const tree = new SearchTree(nodes);
  const details = new NodeDetails(tree, (i) => go(i));
  const outline = new TreeOutline(tree, (i) => details.show(i));
  const go = (i) => {
    outline.goTo(i);
    details.show(i);
  };
  const replay = new Replay(tree.size, (count, newest) => {
    outline.show(count);
    if (newest !== null) go(newest);
  });
  details.show(0);
  return div('', div('row tools spread', outlineTools(outline), replay.root), outline.root, details.root);
}

function treePanel(t) {
  return [
    div(
      'row',
      span('chip', t.task),
      span('mono', t.question),
      verdictChip(t.verdict),
      span('muted small num', `${modelName(t.model)}, ${whole(t.tokens)} tokens`),
    ),
    treeView(t.tree.nodes),
    t.answer && paragraph('small muted reason', 'Answer: ', span('mono', t.answer)),
  ].filter(Boolean);
}

function trees(report) {
  const usable = report.trees.filter((t) => t.tree && Array.isArray(t.tree.nodes) && t.tree.nodes.length);
  if (!usable.length) return null;
  const box = div();
  const draw = (i) => box.replaceChildren(...treePanel(usable[i]));
  draw(0);
  const names = usable.map((t, i) => [i, `${t.strategy} · ${t.task}`]);
  const intro =
    'Each line is one step: its value, its visits, its text. The chosen path carries a coloured edge; branches that were ' +
    'given up are struck out. Arrow keys move, open and fold; the slider replays the growth.';
  const choice = usable.length > 1 && div('tools', tabs('Search', names, 0, draw));
  return section('tree', 'A search, step by step', intro, div('card', choice, box));
}
