// The page of a scaling study: what each search has found when so many tokens are spent, the laws behind it, and what is
// worth the tokens.

const spentAxis = { label: 'Tokens a problem, written and read to judge (log scale)', log: true, format: (v) => short(v, 2) };
const sampleAxis = { label: 'Samples (log scale)', log: true, format: (v) => short(v, 2) };
const shareAxis = { format: (v) => percent(v, 0), min: 0 };

const strategiesOf = (study) => unique(study.curves.map((p) => p.strategy));

function curvePoint(p) {
  return {
    x: p.tokens_per_problem + p.critic_tokens_per_problem,
    y: p.accuracy,
    lo: p.ci_lo,
    hi: p.ci_hi,
    title: `${p.strategy}, budget ${whole(p.budget)}`,
    rows: [
      ...estimateRows(p.accuracy, p),
      ['tokens written', fixed(p.tokens_per_problem, 0)],
      ['tokens read to judge', fixed(p.critic_tokens_per_problem, 0)],
      ['FLOPs', short(p.flops_per_problem)],
      ['seconds', short(p.seconds_per_problem)],
      ['budget', p.anytime ? 'read off a larger one' : 'its own'],
    ],
  };
}

function curvesChart(study) {
  const names = strategiesOf(study);
  const series = names.map((name, i) => {
    const points = study.curves.filter((p) => p.strategy === name && p.tokens_per_problem > 0).map(curvePoint);
    const control = name === 'random';
    return {
      name: control ? 'random (control)' : name,
      color: colorOf(names, name),
      marker: shapeNames[Math.floor(i / 8) % shapeNames.length],
      dash: control ? '2 4' : i >= 8 ? '6 3' : null,
      thin: control,
      hollow: i >= 8,
      points: points.sort((a, b) => a.x - b.x),
    };
  });
  return lineChart({
    label: 'Accuracy against tokens, a line a strategy',
    height: 380,
    series: series.filter((s) => s.points.length),
    x: spentAxis,
    y: shareAxis,
  });
}

function curveTable(study) {
  const budgets = study.budgets;
  const rows = strategiesOf(study).map((name) => ({ name, of: (b) => study.curves.find((p) => p.strategy === name && p.budget === b) }));
  const difference = (name, b) => study.comparisons.find((c) => c.strategy === name && c.budget === b);
  const last = budgets[budgets.length - 1];
  const columns = [
    textColumn('strategy', (r) => r.name),
    ...budgets.map((b) =>
      numberColumn(`${whole(b)} tokens`, (r) => {
        const p = r.of(b);
        return p ? `${percent(p.accuracy)} ${interval(p.ci_lo, p.ci_hi)}` : '–';
      }),
    ),
    numberColumn(`to majority at ${whole(last)}`, (r) => {
      const d = difference(r.name, last);
      return d ? `${signedPoints(d.accuracy)} ${interval(d.ci_lo, d.ci_hi)}` : '–';
    }),
    numberColumn('spent', (r) => {
      const p = r.of(last);
      return p ? whole(p.tokens_per_problem + p.critic_tokens_per_problem) : '–';
    }),
  ];
  return dataTable(columns, rows);
}

// All that is known of what each point cost, means a problem.
function costTable(study) {
  const columns = [
    textColumn('strategy', (p) => p.strategy),
    numberColumn('budget', (p) => whole(p.budget)),
    numberColumn('tokens written', (p) => fixed(p.tokens_per_problem, 1)),
    numberColumn('read to judge', (p) => fixed(p.critic_tokens_per_problem, 1)),
    numberColumn('processed', (p) => fixed(p.tokens_processed_per_problem, 1)),
    numberColumn('unique', (p) => fixed(p.tokens_unique_per_problem, 1)),
    numberColumn('discarded', (p) => fixed(p.tokens_discarded_per_problem, 1)),
    numberColumn('processed again', (p) => fixed(p.tokens_recomputed_per_problem, 1)),
    numberColumn('FLOPs', (p) => short(p.flops_per_problem)),
    numberColumn('seconds', (p) => short(p.seconds_per_problem)),
    numberColumn('MiB of keys and values', (p) => fixed(isNumber(p.kv_peak_bytes) ? p.kv_peak_bytes / 2 ** 20 : null, 1)),
  ];
  const note =
    'Means a problem, but for the memory, which is the most that all problems took together. Problems are searched side by ' +
    'side: seconds are what all of them took, divided by their number. A dash: the point is read off a larger search or off ' +
    'the shared samples, where that is not known.';
  return fold('What each search cost', dataTable(columns, study.curves), paragraph('muted small', note));
}

// How many answers each round of revising put right and put wrong.
function flips(study) {
  const rows = study.curves.flatMap((p) => (p.flips || []).map((f) => ({ strategy: p.strategy, budget: p.budget, ...f })));
  if (!rows.length) return null;
  const intro =
    'Answers written anew, by how often they were: what went from wrong to right, and what from right to wrong, of the answers ' +
    'that were revised in that round, over all problems. Revisions that the budget cut off before they had an answer are counted ' +
    'apart. The verifier that says so is not known to the search. A strategy that ' +
    'revises several answers side by side, or as a tree, counts each of its revisions.';
  const columns = [
    textColumn('strategy', (r) => r.strategy),
    numberColumn('budget', (r) => whole(r.budget)),
    numberColumn('round', (r) => whole(r.round)),
    numberColumn('n', (r) => whole(r.n)),
    numberColumn('wrong to right', (r) => whole(r.incorrect_to_correct)),
    numberColumn('right to wrong', (r) => whole(r.correct_to_incorrect)),
    numberColumn('right before', (r) => (r.n ? percent(r.correct_before / r.n) : '–')),
    numberColumn('right after', (r) => (r.n ? percent(r.correct_after / r.n) : '–')),
    numberColumn('cut off', (r) => whole(r.cut)),
  ];
  return section('flips', 'What revising changes', intro, div('card', dataTable(columns, rows)));
}

function searchCurves(study) {
  const intro =
    'Each strategy on the same problems, its tokens counted whether it writes or reads to judge. Curves of strategies ' +
    'that were run with the largest budget alone show what they had found on the way; brackets are 95% intervals.';
  return section('curves', 'Accuracy against tokens', intro, div('card', curvesChart(study), curveTable(study), costTable(study)));
}

function coverageChart(study) {
  const rows = study.pass_at_k;
  const line = (name, key, color, more) => ({
    name,
    color,
    ...more,
    points: rows.map((r) => ({
      x: r.k,
      y: r[key],
      lo: key === 'accuracy' ? r.ci_lo : null,
      hi: key === 'accuracy' ? r.ci_hi : null,
      title: `${name}, k = ${r.k}`,
      rows: [
        ['value', percent(r[key])],
        ['problems', whole(r.n)],
      ],
    })),
  });
  const series = [
    line('coverage: some sample is right', 'accuracy', 'var(--c0)', { marker: 'circle', bars: true }),
    line('majority vote', 'majority', 'var(--c1)', { marker: 'square' }),
    line('best by score', 'best', 'var(--c2)', { marker: 'diamond' }),
  ];
  const { a, b, fitted } = study.coverage;
  if (fitted) {
    const points = [];
    for (let k = 1; k <= rows[rows.length - 1].k * 2; k *= 1.25) points.push({ x: k, y: Math.exp(a * k ** b), title: 'fitted law', rows: [] });
    series.push({ name: `exp(${fixed(a, 2)} · k^${fixed(b, 2)})`, color: 'var(--c0)', dash: '5 4', thin: true, points });
  }
  return lineChart({ label: 'Coverage and selection against samples', height: 320, series, x: sampleAxis, y: shareAxis });
}

function laws(study) {
  if (!study.pass_at_k.length) return null;
  const { coverage, over_optimisation: over } = study;
  const intro =
    'Coverage is what a perfect judge would reach: a bound, not an accuracy. Votes and scores choose without one; ' +
    'where the best by score falls as samples grow, the score is over-optimised.';
  const facts = [];
  if (coverage.fitted) {
    facts.push(['exponent b', `${fixed(coverage.b, 3)} [${fixed(coverage.b_interval.lo, 3)}, ${fixed(coverage.b_interval.hi, 3)}]`]);
    facts.push(['largest error of the fit', `${fixed(coverage.worst_error * 100, 1)} points`]);
    if (isNumber(coverage.predicted))
      facts.push([
        `fitted up to k = ${coverage.early_k}, for k = ${coverage.predicted_k}`,
        `${percent(coverage.predicted)} predicted, ${percent(coverage.measured)} measured`,
      ]);
  }
  if (over.fitted) {
    facts.push(['best by score, its best n', `${over.best_k} (${signedPoints(over.best_gain)} points over one sample)`]);
    facts.push([`from there to n = ${over.last_k}`, `${signedPoints(over.fall.accuracy)} ${interval(over.fall.ci_lo, over.fall.ci_hi)} points`]);
    facts.push(['β of d·(α − β·d)', `${fixed(over.beta, 3)} [${fixed(over.beta_interval.lo, 3)}, ${fixed(over.beta_interval.hi, 3)}]`]);
    facts.push(['peak of that fit', isNumber(over.peak_k) ? `n = ${short(over.peak_k, 3)}` : 'none']);
  }
  const columns = [textColumn('figure', (f) => f[0]), numberColumn('value', (f) => f[1])];
  return section('laws', 'Coverage, votes and scores', intro, div('card', coverageChart(study), facts.length > 0 && dataTable(columns, facts)));
}

function allocation(study) {
  const a = study.allocation;
  if (!a.predicted) return null;
  const intro =
    `Problems fall into bins by how well their first ${a.probe} samples agree; each bin gets the strategy that did best on ` +
    'it in the other half of the problems; stop: the vote of these samples, where nothing has more right. Their tokens are paid for, ' +
    'and every search that follows is read off where it stood with what they had left, without these samples: a lower bound. Bins by true difficulty, which nobody knows beforehand, stand beside them.';
  const rows = [
    ...a.predicted.bins.map((b) => ({ ...b, by: 'agreement' })),
    ...a.by_difficulty.bins.map((b) => ({ ...b, by: 'true difficulty' })),
  ];
  const columns = [
    textColumn('bins by', (r) => r.by),
    textColumn('bin', (r) => r.bin),
    numberColumn('problems', (r) => whole(r.n)),
    textColumn('chosen in the two halves', (r) => r.chosen.length ? r.chosen.join(', ') : '–'),
  ];
  const results = [
    ['best fixed strategy, in hindsight', `${a.best_fixed}, ${percent(a.best_fixed_accuracy)}, ${whole(a.best_fixed_tokens)} tokens a problem`],
    ['tokens a problem by agreement', whole(a.predicted.tokens_per_problem)],
    ['by agreement', `${percent(a.predicted.accuracy)} ${interval(a.predicted.ci_lo, a.predicted.ci_hi)}`],
    ['by true difficulty', `${percent(a.by_difficulty.accuracy)} ${interval(a.by_difficulty.ci_lo, a.by_difficulty.ci_hi)}`],
  ];
  const against = [
    textColumn('by agreement against', (r) => r.strategy),
    numberColumn('accuracy', (r) => percent(r.fixed_accuracy)),
    numberColumn('tokens a problem', (r) => whole(r.fixed_tokens)),
    numberColumn('difference in points', (r) => `${signedPoints(r.accuracy)} ${interval(r.ci_lo, r.ci_hi)}`),
  ];
  const pairs = [textColumn('', (r) => r[0]), numberColumn('accuracy', (r) => r[1])];
  const bins = ['easy', 'middle', 'hard'];
  const learned = [
    numberColumn('budget', (r) => whole(r.tokens)),
    ...bins.map((bin, i) => textColumn(bin, (r) => `${r[bin]} (${whole(r.problems[i])})`)),
    textColumn('not told of', (r) => r.cannot_tell.join(', ')),
  ];
  const note =
    'What is best for each bin (of so many problems) over all of these problems stands in auto.json, a table for --search auto, but for ' +
    'budgets at which some strategy with what the samples had left is not told of. It was learned here: ' +
    'how good it is these problems cannot say, and eval refuses to score it on them.';
  return section(
    'allocation',
    `A strategy a problem, ${whole(a.budget)} tokens`,
    intro,
    div('card', dataTable(pairs, results), dataTable(against, a.against), dataTable(columns, rows), paragraph('muted small', note), dataTable(learned, a.table)),
  );
}

function showStudy() {
  const study = JSON.parse(document.getElementById('data').textContent);
  const main = document.getElementById('main');
  const nav = document.getElementById('nav');
  const fact = (name, value) => span('', `${name} `, el('b', { class: 'num' }, value));
  main.replaceChildren(
    div(
      '',
      el('h1', {}, `Scaling of search, ${study.task}`),
      div('facts', fact('model', study.model), fact('problems', whole(study.n)), fact('seed', String(study.seed))),
      list(study.sentences),
    ),
  );
  const parts = study.curves ? [searchCurves(study), flips(study), laws(study), signalsSection(study), allocation(study)] : [];
  for (const part of parts) {
    if (!part) continue;
    main.append(part);
    nav.append(el('a', { href: `#${part.id}` }, part.querySelector('h2').textContent.split(',')[0]));
  }
  main.append(el('footer', {}, 'Made by ponder from the rows of this study alone; the same numbers stand in scaling.json.'));
  themeButton();
}

showStudy();
