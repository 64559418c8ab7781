// What all sections share, and the top of the page. A section is a function of the report that gives an element, or null
// where the run left no rows for it.

const colors = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => `var(--c${i})`);
const colorOf = (names, name) => colors[Math.max(0, names.indexOf(name)) % colors.length];
const modelNames = { sft: 'before RL', rl: 'after RL' };
const modelName = (model) => modelNames[model] || model;
const tasksOf = (report) => unique([...report.train_curve, ...report.search_curve].map((r) => r.task));
const notesOn = (report, topic) => report.notes.filter((n) => n.topic === topic).map((n) => n.text);

// Rows of a tooltip, columns of a table: an estimate never stands without its interval and its n.
const estimateRows = (value, r) => [
  ['accuracy', percent(value)],
  ['95% interval', interval(r.ci_lo, r.ci_hi)],
  ['problems', whole(r.n)],
];
const numberColumn = (name, cell) => ({ name, right: true, cell });
const textColumn = (name, cell) => ({ name, cell });
const estimateColumns = (name, cell) => [
  numberColumn(name, cell),
  numberColumn('95% interval', (r) => interval(r.ci_lo, r.ci_hi)),
  numberColumn('n', (r) => whole(r.n)),
];
const accuracyColumns = estimateColumns('accuracy', (r) => percent(r.accuracy));
const noteColumn = { name: 'what it is', wide: true, cell: (r) => r.note };

function section(id, title, intro, ...content) {
  const header = el('header', {}, el('h2', { id: `${id}-title` }, title), intro && paragraph('', intro));
  return el('section', { id, 'aria-labelledby': `${id}-title` }, header, content);
}

// A choice of task, where there is one.
function taskTabs(tasks, choose) {
  if (tasks.length < 2) return null;
  const named = tasks.map((t) => [t, t || 'all']);
  return div('row tools', span('muted small', 'Task'), tabs('Task', named, tasks[0], choose));
}

function notice(kind, title, sentences) {
  return sentences.length > 0 && div(`notice ${kind}`, el('b', {}, title), list(sentences));
}

function masthead(report) {
  const run = report.run || {};
  const seconds = report.stages.reduce((sum, s) => sum + s.seconds, 0);
  const fact = (name, value) => value && span('', `${name} `, el('b', { class: 'num' }, value));
  return div(
    '',
    el('h1', {}, report.name || 'A run'),
    report.summary && paragraph('summary', report.summary),
    div(
      'facts',
      fact('parameters', run.parameters && short(run.parameters)),
      fact('device', run.device && (run.threads ? `${run.device}, ${run.threads} threads` : run.device)),
      fact('time', seconds && duration(seconds)),
      fact('seed', String(report.seed)),
      fact('config', report.config_hash),
      fact('ponder', run.version),
    ),
    notice('warn', 'This run is incomplete.', report.missing),
    notice('bad', 'Read with care.', report.warnings),
  );
}

// Two estimates with their intervals on a scale from 0 to 100%.
function dumbbell(from, to, color) {
  const x = (v) => 4 + v * 252;
  const one = (e, y, stroke) => [
    svg('line', { x1: x(e.ci_lo), x2: x(e.ci_hi), y1: y, y2: y, stroke, 'stroke-width': 2, opacity: 0.5 }),
    svg('circle', { cx: x(e.value), cy: y, r: 4, fill: stroke }),
  ];
  return svg(
    'svg',
    { class: 'dumbbell', viewBox: '0 0 260 26', preserveAspectRatio: 'xMinYMid', 'aria-hidden': 'true' },
    svg('line', { x1: 4, x2: 256, y1: 13, y2: 13, stroke: 'var(--line)' }),
    [0, 0.5, 1].map((v) => svg('line', { x1: x(v), x2: x(v), y1: 10, y2: 16, stroke: 'var(--faint)' })),
    one(from, 7, 'var(--faint)'),
    one(to, 19, color),
  );
}

function headlineCard(h) {
  const kinds = { none: ['', 'no clear change', 'var(--c7)'] };
  kinds.gain = ['good', 'clear gain', 'var(--good)'];
  kinds.loss = ['bad', 'clear loss', 'var(--bad)'];
  const [kind, verdict, color] = kinds[!h.clear ? 'none' : h.difference.value > 0 ? 'gain' : 'loss'];
  const tokens = (p) => (isNumber(p.tokens_per_problem) ? ` at ${whole(p.tokens_per_problem)} tokens` : '');
  const { value, ci_lo, ci_hi, n } = h.difference;
  return el(
    'article',
    { class: 'card headline' },
    div(
      'topic',
      span('', h.topic === 'learning' ? 'RL' : 'Search', ' · ', el('b', {}, h.task)),
      span(`chip ${kind}`, verdict),
    ),
    paragraph('figure num', span('before', percent(h.from.value)), span('arrow', '→'), percent(h.to.value)),
    dumbbell(h.from, h.to, color),
    div(
      'under num',
      `${signedPoints(value)} points ${interval(ci_lo, ci_hi)}, n = ${whole(n)}`,
      h.paired && ', paired',
    ),
    div('under', `${h.from.label}${tokens(h.from)} → ${h.to.label}${tokens(h.to)}`),
  );
}

function headlines(report) {
  if (!report.headlines.length) return null;
  const intro =
    'Greedy accuracy on held-out test problems before and after RL, and what search adds on top. ' +
    'Brackets are 95% intervals.';
  return section(
    'results',
    'What happened',
    intro,
    div('grid cards', report.headlines.map(headlineCard)),
    fold('In sentences', ...report.headlines.map((h) => paragraph('sentence', h.text))),
  );
}
