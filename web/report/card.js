// What the run cost, and the model card.

function ledger(report) {
  if (!report.stages.length) return null;
  const total = (key) => report.stages.reduce((sum, s) => sum + (s[key] || 0), 0);
  const seconds = total('seconds');
  const meter = (share) => div('meter', el('i', { style: `width: ${100 * share}%` }));
  const columns = [
    textColumn('stage', (s) => s.name),
    numberColumn('time', (s) => duration(s.seconds)),
    textColumn('share of time', (s) => meter(seconds ? s.seconds / seconds : 0)),
    numberColumn('tokens', (s) => short(s.tokens)),
    numberColumn('FLOPs', (s) => short(s.flops)),
    numberColumn('tokens/s', (s) => (s.seconds > 0 && s.tokens > 0 ? short(s.tokens / s.seconds) : '–')),
  ];
  const foot = ['all', duration(seconds), '', short(total('tokens')), short(total('flops')), ''];
  if (report.stages.some((s) => isNumber(s.energy_wh))) {
    columns.push(numberColumn('energy', (s) => `${fixed(s.energy_wh, 2)} Wh`));
    foot.push(`${fixed(total('energy_wh'), 2)} Wh`);
  }
  const intro = 'Every stage, interruptions included. Tokens are all that ran through a model.';
  return section('ledger', 'What it cost', intro, div('card', dataTable(columns, report.stages, foot)));
}

function splitsItem(report) {
  const tasks = report.data.tasks;
  if (!tasks.length) return span('chip warn', 'not audited');
  const overlap = (d) => span(`chip ${d.overlap ? 'bad' : 'good'}`, whole(d.overlap));
  const columns = [
    textColumn('task', (d) => d.task),
    ...['train', 'dev', 'test'].map((split) => numberColumn(split, (d) => whole(d[split]))),
    numberColumn('overlap', overlap),
    { ...noteColumn, name: '' },
  ];
  const meaning = 'Overlap: canonical test instances that also occur in training data.';
  return [dataTable(columns, tasks), paragraph('muted small reason', meaning)];
}

function criticItem(report) {
  const columns = [
    textColumn('task', (c) => c.task),
    numberColumn('AUROC', (c) => fixed(c.auroc, 3)),
    numberColumn('95% interval', (c) => `[${fixed(c.ci_lo, 3)}, ${fixed(c.ci_hi, 3)}]`),
    numberColumn('labels shuffled', (c) => fixed(c.auroc_permuted, 3)),
    numberColumn('calibration error', (c) => fixed(c.calibration_error, 3)),
    numberColumn('Brier', (c) => fixed(c.brier, 3)),
    numberColumn('n', (c) => whole(c.n)),
  ];
  return report.critic.length > 0 && dataTable(columns, report.critic);
}

function evaluationItem(report) {
  const lastRow = (task) => report.train_curve.filter((r) => r.task === task).pop();
  const finals = tasksOf(report).map(lastRow).filter(Boolean);
  const columns = [
    textColumn('task', (r) => r.task),
    textColumn('stage', (r) => r.stage),
    ...estimateColumns('greedy accuracy', (r) => percent(r.accuracy)),
  ];
  return [
    notesOn(report, 'evaluation').map((text) => paragraph('tight', text)),
    finals.length > 0 && dataTable(columns, finals),
  ];
}

function reproduceItem(report) {
  const version = report.run && report.run.version ? `, ponder ${report.run.version}` : '';
  const settings = `seed ${report.seed}, hash ${report.config_hash || 'unknown'}${version}`;
  const config = el('pre', { class: 'config mono', tabindex: 0 }, report.config);
  return [
    el('code', {}, 'ponder run config.yaml'),
    ` with the configuration below: ${settings}.`,
    report.config && fold('config.yaml', config),
  ];
}

function modelCard(report) {
  const run = report.run || {};
  const notes = (topic) => {
    const texts = notesOn(report, topic);
    return texts.length ? texts.map((text) => paragraph('tight', text)) : span('muted', 'not stated');
  };
  const model =
    run.parameters && `${whole(run.parameters)} parameters, trained on ${run.device || 'an unnamed device'}`;
  const limits = [
    ...notesOn(report, 'limits'),
    ...report.headlines.filter((h) => !h.clear).map((h) => h.text),
    ...report.missing,
    'A visible thought need not be the reason for the answer. Nothing is claimed beyond the tasks measured here.',
  ];
  const items = [
    ['Model', model || span('muted', 'not stated')],
    ['Intended use', notes('use')],
    ['Training data', notes('data')],
    ['Splits', splitsItem(report)],
    ['Rewards', notes('rewards')],
    ['Search budget', notes('search')],
    ['Critic', criticItem(report)],
    ['Evaluation', evaluationItem(report)],
    ['Known limits', list(limits)],
    ['Reproduce', reproduceItem(report)],
  ].filter(([, content]) => content);
  const rows = items.map(([name, content]) => [el('dt', {}, name), el('dd', {}, content)]);
  return section('card', 'Model card', null, div('card', el('dl', { class: 'card-list' }, rows)));
}
