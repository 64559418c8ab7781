// The section of a scaling study's page on signals: which answers they tell apart, and what is gained by answering only
// where they are high.

const signalOf = (s) => (s.of === 'samples' ? s.name : `${s.name} of “${s.of}”`);
const signalName = (s) => `${signalOf(s)}${s.control ? ' (control)' : ''}`;
const coverageAxis = { label: 'Problems answered, the most confident first', format: (v) => percent(v, 0) };
const riskAxis = { format: (v) => percent(v, 0), min: 0 };

function aurocCell(value, lo, hi, verdict) {
  const said = verdict !== 'better than chance' && div('muted small', verdict);
  return [isNumber(value) && `${fixed(value, 2)} [${fixed(lo, 2)}, ${fixed(hi, 2)}]`, said];
}

function riskChart(signals) {
  const names = signals.map(signalName);
  const series = signals.map((s, i) => ({
    name: signalName(s),
    color: colorOf(names, names[i]),
    marker: shapeNames[Math.floor(i / 8) % shapeNames.length],
    dash: s.control ? '2 4' : null,
    thin: s.control,
    hollow: i >= 8,
    points: s.risk_coverage.map((p) => ({
      x: p.coverage,
      y: p.risk,
      title: signalName(s),
      rows: [
        ['problems answered', `${whole(p.problems)} of ${whole(s.problems)}`],
        ['of these wrong', percent(p.risk)],
      ],
    })),
  }));
  return lineChart({
    label: 'Share of wrong answers against the share of problems that are answered, a line a signal',
    height: 340,
    series,
    x: coverageAxis,
    y: riskAxis,
  });
}

function signalTable(signals) {
  return dataTable(
    [
      textColumn('signal', signalName),
      numberColumn('answers', (s) => whole(s.n)),
      numberColumn('AUROC, all answers', (s) => aurocCell(s.auroc, s.low, s.high, s.verdict)),
      numberColumn('within a problem', (s) => aurocCell(s.auroc_within, s.within_low, s.within_high, s.within_verdict)),
      numberColumn('wrong, all answered', (s) => percent(s.error)),
      numberColumn('AURC', (s) => percent(s.aurc)),
      numberColumn('below random order', (s) => `${fixed(100 * s.gain, 1)} ${interval(s.gain_low, s.gain_high)}`),
    ],
    signals,
  );
}

function riskTable(signals) {
  const points = signals[0].risk_coverage.map((p, i) => ({ coverage: p.coverage, i }));
  return dataTable(
    [
      numberColumn('problems answered', (p) => percent(p.coverage, 0)),
      ...signals.map((s) => numberColumn(signalName(s), (p) => percent(s.risk_coverage[p.i].risk))),
    ],
    points,
  );
}

const signed = (v) => (v >= 0 ? '+' : '') + fixed(v, 2);

// The mix of likelihood and critic on the half of the problems that did not choose its weight.
function mixPart(study) {
  const mix = study.mix || {};
  if (!mix.against) return null;
  const note =
    `Of the weights ${mix.grid.map((w) => fixed(w, 1)).join(', ')} of the likelihood beside the critic (guide=mix), ` +
    `${fixed(mix.lambda, 1)} told right answers from wrong ones of a problem best on ${whole(mix.dev_problems)} problems. What ` +
    `stands here is of the other ${whole(mix.problems)}, whose verdicts chose nothing: within a problem it has ` +
    `${fixed(mix.signal.auroc_within, 2)} [${fixed(mix.signal.within_low, 2)}, ${fixed(mix.signal.within_high, 2)}], and its best ` +
    `answer is right on ${percent(mix.accuracy)}. Differences are mix − signal, paired.`;
  const columns = [
    textColumn('mix against', (r) => r.name),
    numberColumn('within a problem', (r) => fixed(r.auroc_within, 2)),
    numberColumn('difference', (r) => [`${signed(r.difference)} [${signed(r.low)}, ${signed(r.high)}]`, div('muted small', r.verdict)]),
    numberColumn('its best answer is right', (r) => percent(r.accuracy)),
    numberColumn('difference in points', (r) => `${signedPoints(r.accuracy_difference)} ${interval(r.accuracy_low, r.accuracy_high)}`),
  ];
  return div('card', el('h3', {}, 'A mix, its weight chosen on other problems'), paragraph('muted small', note), dataTable(columns, mix.against));
}

function dropCell(figure, times, digits) {
  if (!figure) return '–';
  const text = (v) => fixed(times * v, digits);
  const drop = `${text(figure.home)} to ${text(figure.away)}, drop ${text(figure.drop)} [${text(figure.low)}, ${text(figure.high)}]`;
  return [drop, div('muted small', figure.verdict)];
}

// The same signals on problems of another kind.
function shiftPart(study) {
  const shift = study.shift || {};
  if (!shift.signals || !shift.signals.length) return null;
  const note =
    `The same signals over a pool of samples of ${whole(shift.n)} problems of ${shift.task}, out of distribution. A drop is what is ` +
    'lost there, with a 95% interval of two independent sets of problems. What is gained over random order also depends on how ' +
    'many answers are wrong.';
  const columns = [
    textColumn('signal', (r) => `${r.name}${r.control ? ' (control)' : ''}`),
    numberColumn('AUROC, all answers', (r) => dropCell(r.auroc, 1, 2)),
    numberColumn('within a problem', (r) => dropCell(r.auroc_within, 1, 2)),
    numberColumn('AURC below random order, points', (r) => dropCell(r.gain, 100, 1)),
  ];
  return div(
    'card',
    el('h3', {}, `Out of distribution: ${shift.task}`),
    paragraph('muted small', note),
    dataTable(columns, shift.drops),
    signalTable(shift.signals),
    riskChart(shift.signals),
    fold('Wrong answers among the most confident problems', riskTable(shift.signals)),
  );
}

function signalsSection(study) {
  const signals = study.signals || [];
  if (!signals.length) return null;
  const intro =
    'What each signal says of answers that are there anyway, against the exact verifier; no signal has seen its verdicts. ' +
    'AUROC is the chance that a right answer has the higher value than a wrong one: among all answers, which also shows ' +
    'problems apart, and among those of one problem, which is what choosing needs; 0.5 is chance. Below, each problem is ' +
    'answered by its highest value, and only the most confident problems count: the share of wrong ones is the risk, and ' +
    'its mean over all shares of the problems the AURC; in random order that would be the risk of answering all. ' +
    'Problems without an answer come last and count as wrong. Signals of a strategy stand on its own answers, not on the ' +
    'pool’s. Brackets are 95% intervals, in points behind percentages.';
  return section(
    'signals',
    'Signals',
    intro,
    div('card', signalTable(signals), riskChart(signals), fold('Wrong answers among the most confident problems', riskTable(signals))),
    mixPart(study),
    shiftPart(study),
  );
}
