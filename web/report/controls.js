// Controls and paired comparisons: a chart of intervals above the table that says what each is.

function controlCard(report, task) {
  const own = report.controls.filter((r) => r.task === task);
  if (!own.length) return null;
  const last = (stage) => report.train_curve.filter((r) => r.task === task && r.stage === stage).pop();
  const row = (name, r, color, hollow) =>
    r && { name, value: r.accuracy, lo: r.ci_lo, hi: r.ci_hi, color, hollow, tip: estimateRows(r.accuracy, r) };
  const rows = [
    row('SFT (greedy)', last('sft'), 'var(--c7)'),
    row('RL (greedy)', last('rl'), 'var(--c0)'),
    ...own.map((r) => row(r.name, r, 'var(--c1)', true)),
  ].filter(Boolean);
  const format = (v) => percent(v, 0);
  return div(
    'card',
    el('h3', {}, 'Accuracy'),
    intervalChart({ label: `Controls on ${task}`, rows, lo: 0, hi: 1, format }),
    dataTable([textColumn('control', (r) => r.name), ...accuracyColumns, noteColumn], own),
  );
}

function comparisonCard(report, task) {
  const own = report.comparisons.filter((r) => r.task === task);
  if (!own.length) return null;
  const verdictColor = (r) => (r.ci_lo > 0 ? 'var(--good)' : r.ci_hi < 0 ? 'var(--bad)' : 'var(--c7)');
  const rows = own.map((r) => ({
    name: r.name,
    value: r.difference,
    lo: r.ci_lo,
    hi: r.ci_hi,
    color: verdictColor(r),
    tip: [
      ['difference', `${signedPoints(r.difference)} points`],
      ['95% interval', interval(r.ci_lo, r.ci_hi)],
      ['pairs', whole(r.n)],
    ],
  }));
  const reach = Math.max(0.05, ...rows.flatMap((r) => [Math.abs(r.lo), Math.abs(r.hi)])) * 1.1;
  const columns = [
    textColumn('comparison', (r) => r.name),
    ...estimateColumns('difference', (r) => signedPoints(r.difference)),
    noteColumn,
  ];
  const format = (v) => fixed(v * 100, 0);
  return div(
    'card',
    el('h3', {}, 'Paired differences, points'),
    intervalChart({ label: `Paired differences on ${task}`, rows, lo: -reach, hi: reach, zero: true, format }),
    dataTable(columns, own),
  );
}

function controls(report) {
  const tasks = unique([...report.controls, ...report.comparisons].map((r) => r.task));
  if (!tasks.length) return null;
  const box = div('grid two');
  const draw = (task) => {
    box.replaceChildren(...[controlCard(report, task), comparisonCard(report, task)].filter(Boolean));
  };
  draw(tasks[0]);
  const intro = 'What must not work, and what the gains are held against.';
  return section('controls', 'Controls', intro, taskTabs(tasks, draw), box);
}
