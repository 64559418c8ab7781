// Self-correction: slips planted into greedy thoughts, kind by kind, with the untouched thoughts beside them.

function probes(report) {
  if (!report.probes.length) return null;
  const tasks = unique(report.probes.map((r) => r.task));
  const box = div('card');
  const columns = [
    textColumn('slip', (r) => r.slip.replaceAll('_', ' ')),
    textColumn('shown in SFT', (r) => r.shown),
    textColumn('model', (r) => modelName(r.model)),
    ...estimateColumns('repaired', (r) => percent(r.repaired)),
    numberColumn('caught', (r) => percent(r.caught)),
    numberColumn('false alarms', (r) => percent(r.false_alarms)),
    numberColumn('solved', (r) => percent(r.solved)),
    numberColumn('solved without the slip', (r) => percent(r.solved_control)),
  ];
  const draw = (task) => {
    const own = report.probes.filter((r) => r.task === task);
    box.replaceChildren(dataTable(columns, own));
  };
  draw(tasks[0]);
  const intro =
    'One word of a right thought is made wrong and the model goes on from there. Repaired: its next words are "wait" ' +
    'and the right word. False alarms: "wait" at the same places of the untouched thoughts.';
  return section('probes', 'Self-correction', intro, taskTabs(tasks, draw), box);
}
