// The two curves: accuracy against training compute and against test-time compute.

const shortLabel = (v) => short(v, 2);
const computeAxes = {
  flops: { label: 'Training compute, FLOPs (log scale)', log: true, format: shortLabel, of: (r) => r.flops },
  tokens: { label: 'Training tokens (log scale)', log: true, format: shortLabel, of: (r) => r.tokens },
  seconds: { label: 'Training time, seconds (log scale)', log: true, format: shortLabel, of: (r) => r.seconds },
  step: {
    label: 'RL steps (0 = SFT)',
    whole: true,
    format: String,
    of: (r) => (r.stage === 'rl' ? r.step : r.stage === 'sft' ? 0 : null),
  },
};
const axisNames = Object.entries({ flops: 'FLOPs', tokens: 'tokens', seconds: 'time', step: 'RL steps' });
const searchAxis = { label: 'Tokens a problem, policy and critic (log scale)', log: true, format: shortLabel };
const accuracyAxis = (top) => ({ format: (v) => percent(v, 0), min: 0, max: top });

function trainPoint(r, axis, large) {
  return {
    x: axis.of(r),
    y: r.accuracy,
    lo: r.ci_lo,
    hi: r.ci_hi,
    large,
    title: `${r.task}, ${r.stage} step ${r.step}`,
    rows: [
      ...estimateRows(r.accuracy, r),
      ['training tokens', short(r.tokens)],
      ['training FLOPs', short(r.flops)],
      ['training time', duration(r.seconds)],
      ['thought tokens', fixed(r.thought_tokens, 0)],
    ],
  };
}

// All tasks, the chosen one in front.
function trainChart(report, task, axisName, top) {
  const axis = computeAxes[axisName];
  const tasks = tasksOf(report);
  const usable = (r) => isNumber(axis.of(r)) && (!axis.log || axis.of(r) > 0);
  const marks = [];
  const series = [];
  for (const name of tasks) {
    let rows = report.train_curve.filter((r) => r.task === name && usable(r));
    const sft = rows.filter((r) => r.stage === 'sft').pop();
    if (axisName === 'step') rows = rows.filter((r) => r.stage !== 'sft' || r === sft);
    if (!rows.length) continue;
    const chosen = name === task;
    if (sft && chosen && rows[rows.length - 1] !== sft) marks.push({ x: axis.of(sft), text: 'SFT ends, RL begins' });
    const points = rows.map((r) => trainPoint(r, axis, r === sft));
    const color = colorOf(tasks, name);
    series.push({ name, end: name, color, marker: 'circle', bars: chosen, faded: !chosen, points });
  }
  series.sort((a, b) => Number(b.faded) - Number(a.faded));
  const label = `Accuracy against training compute, ${task}`;
  return lineChart({ label, height: 340, noLegend: true, series, x: axis, y: accuracyAxis(top), marks });
}

function searchPoint(r, name) {
  return {
    x: r.tokens_per_problem + r.critic_tokens_per_problem,
    y: r.accuracy,
    lo: r.ci_lo,
    hi: r.ci_hi,
    title: `${name}, budget ${r.budget}`,
    rows: [
      ...estimateRows(r.accuracy, r),
      ['tokens written', fixed(r.tokens_per_problem, 1)],
      ['tokens read by the critic', fixed(r.critic_tokens_per_problem, 1)],
      ['seconds a problem', fixed(r.seconds_per_problem, 3)],
    ],
  };
}

function boundPoint(r, name) {
  return {
    x: r.tokens_per_problem,
    y: r.value,
    lo: r.ci_lo,
    hi: r.ci_hi,
    title: `${name}, k = ${r.k}`,
    rows: [
      ['value', percent(r.value)],
      ['95% interval', interval(r.ci_lo, r.ci_hi)],
      ['problems', whole(r.n)],
      ['pool of samples', whole(r.samples)],
    ],
  };
}

const byX = (points) => points.filter((p) => p.x > 0).sort((a, b) => a.x - b.x);

// The lines of one model; beside another model its lines are dashed when they come from before RL.
function searchSeries(report, task, model, both) {
  const strategies = unique(report.search_curve.map((r) => r.strategy));
  const dashed = both && model === 'sft';
  const suffix = both ? `, ${modelName(model)}` : '';
  const ofModel = (rows) => rows.filter((r) => r.task === task && r.model === model);
  const series = strategies.map((strategy, i) => {
    const name = (strategy === 'oracle' ? 'oracle (control)' : strategy) + suffix;
    const rows = ofModel(report.search_curve).filter((r) => r.strategy === strategy);
    const points = byX(rows.map((r) => searchPoint(r, name)));
    return {
      name,
      color: colorOf(strategies, strategy),
      marker: shapeNames[i % shapeNames.length],
      hollow: i >= shapeNames.length || dashed,
      dash: dashed ? '5 4' : null,
      bars: !both,
      pointsOnly: points.length === 1,
      points,
    };
  });
  const name = `pass@k bound${suffix}`;
  const points = byX(ofModel(report.pass_at_k).map((r) => boundPoint(r, name)));
  series.push({ name, color: 'var(--c7)', dash: dashed ? '2 5' : '6 4', thin: true, points });
  return series.filter((s) => s.points.length);
}

function searchChart(report, task, which, top) {
  const models = unique(report.search_curve.filter((r) => r.task === task).map((r) => r.model));
  const both = which === 'both';
  const series = (both ? models : [which]).flatMap((model) => searchSeries(report, task, model, both));
  const label = `Accuracy against test-time tokens, ${task}`;
  return lineChart({ label, height: 340, series, x: searchAxis, y: accuracyAxis(top) });
}

function curveNumbers(report, task) {
  const training = [
    textColumn('stage', (r) => r.stage),
    numberColumn('step', (r) => whole(r.step)),
    numberColumn('tokens', (r) => short(r.tokens)),
    numberColumn('FLOPs', (r) => short(r.flops)),
    ...accuracyColumns,
  ];
  const search = [
    textColumn('search', (r) => r.strategy),
    textColumn('model', (r) => modelName(r.model)),
    numberColumn('tokens', (r) => fixed(r.tokens_per_problem, 0)),
    numberColumn('critic', (r) => fixed(r.critic_tokens_per_problem, 0)),
    ...accuracyColumns,
  ];
  const table = (columns, rows) => div('', rows.length > 0 && dataTable(columns, rows));
  const ofTask = (rows) => rows.filter((r) => r.task === task);
  return div('grid two tools', table(training, ofTask(report.train_curve)), table(search, ofTask(report.search_curve)));
}

// One vertical scale for both charts, or they could not be compared.
function highest(report, task) {
  const values = [
    ...[...report.train_curve, ...report.search_curve].filter((r) => r.task === task).map((r) => r.ci_hi),
    ...report.pass_at_k.filter((r) => r.task === task).map((r) => r.value),
  ];
  return Math.min(1, Math.ceil((Math.max(0.1, ...values) + 0.02) * 10) / 10);
}

function curves(report) {
  const tasks = tasksOf(report);
  if (!tasks.length) return null;
  const models = unique(report.search_curve.map((r) => r.model)).sort((a, b) => (b === 'rl') - (a === 'rl'));
  const choices = models.map((m) => [m, modelName(m)]);
  if (models.length > 1) choices.push(['both', 'both']);
  const axis = report.train_curve.some((r) => r.flops > 0) ? 'flops' : 'tokens';
  const state = { task: tasks[0], axis, model: models[0] };
  const left = div(),
    right = div(),
    numbers = div();
  const draw = () => {
    const top = highest(report, state.task);
    const searched = report.search_curve.some((r) => r.task === state.task);
    const none = (text) => paragraph('muted empty', text);
    left.replaceChildren(
      report.train_curve.length
        ? trainChart(report, state.task, state.axis, top)
        : none('No accuracy during training.'),
    );
    right.replaceChildren(
      searched ? searchChart(report, state.task, state.model, top) : none('No search on this task.'),
    );
    numbers.replaceChildren(numbersBelow('Show the numbers', () => curveNumbers(report, state.task)));
  };
  const choose = (key) => (value) => {
    state[key] = value;
    draw();
  };
  draw();
  const axisTabs = report.train_curve.length > 0 && tabs('Horizontal axis', axisNames, state.axis, choose('axis'));
  const modelTabs = choices.length > 1 && tabs('Model', choices, state.model, choose('model'));
  const intro =
    'Left: greedy accuracy as training goes on. Right: the same test problems with more tokens spent on each answer. ' +
    'Both share one vertical scale; bars are 95% intervals.';
  return section(
    'curves',
    'Two ways to spend compute',
    intro,
    taskTabs(tasks, choose('task')),
    div(
      'grid two',
      div('card', div('row spread', el('h3', {}, 'Training compute'), axisTabs), left),
      div('card', div('row spread', el('h3', {}, 'Test-time compute'), modelTabs), right),
    ),
    numbers,
  );
}
