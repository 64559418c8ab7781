// What changed during reinforcement learning.

const rlQuantities = [
  { key: 'reward', name: 'Reward', note: 'mean over the samples of a step', format: (v) => fixed(v, 2) },
  { key: 'kl', name: 'KL', note: 'to the policy before RL, nats a token', format: (v) => short(v, 2), min: 0 },
  { key: 'entropy', name: 'Entropy', note: 'of the policy, nats a token', format: (v) => fixed(v, 2) },
  { key: 'length', name: 'Sample length', note: 'tokens, training samples', format: (v) => fixed(v, 0) },
  { key: 'groups_kept', name: 'Groups that teach', note: 'share with unequal rewards', format: (v) => percent(v, 0) },
  {
    key: 'logp_gap',
    name: 'Sampler–trainer gap',
    note: 'largest difference of log-probs of one token',
    format: (v) => short(v, 2),
    min: 0,
  },
];

function chartCard(name, note, spec) {
  return div('card', el('h3', {}, name), paragraph('muted small tight', note), lineChart(spec));
}

function stepChart(report, { key, name, note, format, min }) {
  const points = report.rl
    .filter((r) => isNumber(r[key]))
    .map((r) => ({ x: r.step, y: r[key], title: `Step ${r.step}`, rows: [[name, format(r[key])]] }));
  if (points.length < 2) return null;
  return chartCard(name, note, {
    label: `${name} over RL steps`,
    height: 200,
    series: [{ name, color: 'var(--c0)', thin: true, points }],
    x: { label: 'RL step', whole: true, format: String },
    y: { format, min },
  });
}

// What greedy thoughts on the test split are made of, from the last SFT point through RL. quantities: [[name, of(row)]]
function thoughtChart(report, task, name, note, quantities) {
  const all = report.train_curve.filter((r) => r.task === task);
  const sft = all.filter((r) => r.stage === 'sft').pop();
  const rows = all.filter((r) => r.stage === 'rl' || r === sft);
  const series = quantities.map(([quantity, of], i) => ({
    name: quantity,
    color: colors[i % colors.length],
    marker: shapeNames[i % shapeNames.length],
    hollow: i >= shapeNames.length,
    points: rows
      .filter((r) => isNumber(of(r)))
      .map((r) => ({
        x: r === sft ? 0 : r.step,
        y: of(r),
        title: `${task}, ${r === sft ? 'SFT' : `RL step ${r.step}`}`,
        rows: [[quantity, fixed(of(r), 2)]],
      })),
  }));
  const drawn = series.filter((s) => s.points.length > 1);
  if (!drawn.length) return null;
  return chartCard(name, note, {
    label: `${name}, ${task}`,
    height: 230,
    series: drawn,
    x: { label: 'RL step (0 = SFT)', whole: true, format: String },
    y: { format: (v) => short(v, 3), min: 0 },
  });
}

function duringRl(report) {
  const small = rlQuantities.map((quantity) => stepChart(report, quantity)).filter(Boolean);
  const tasks = unique(report.train_curve.filter((r) => r.stage === 'rl').map((r) => r.task));
  if (!small.length && !tasks.length) return null;
  const thoughts = div('grid two tools');
  const draw = (task) => {
    const kinds = unique(report.train_curve.filter((r) => r.task === task).flatMap((r) => Object.keys(r.behaviours)));
    const counts = kinds.map((kind) => [kind.replaceAll('_', ' '), (r) => r.behaviours[kind]]);
    const length = [['thought tokens', (r) => r.thought_tokens]];
    const charts = [
      thoughtChart(report, task, 'Thought length', 'mean tokens before the answer, greedy, test problems', length),
      thoughtChart(report, task, 'Behaviours', 'mean count in a greedy completion, test problems', counts),
    ];
    thoughts.replaceChildren(...charts.filter(Boolean));
  };
  if (tasks.length) draw(tasks[0]);
  const intro = 'How the policy changed, step by step; then what its greedy thoughts on test problems are made of.';
  return section('rl', 'During RL', intro, div('grid three', small), taskTabs(tasks, draw), thoughts);
}
