// The page itself.

// A part that cannot be drawn says so and takes no other part with it.
function drawn(name, make, report) {
  try {
    return make(report);
  } catch (error) {
    console.error(error);
    const id = name.toLowerCase();
    return section(id, name, null, notice('bad', 'This part could not be drawn.', [String(error)]));
  }
}

function showReport() {
  const report = JSON.parse(document.getElementById('data').textContent);
  const parts = [
    ['Results', headlines],
    ['Curves', curves],
    ['RL', duringRl],
    ['Controls', controls],
    ['Self-correction', probes],
    ['Thoughts', transcripts],
    ['Tree', trees],
    ['Cost', ledger],
    ['Card', modelCard],
  ];
  const main = document.getElementById('main');
  const nav = document.getElementById('nav');
  main.replaceChildren(masthead(report));
  for (const [name, make] of parts) {
    const part = drawn(name, make, report);
    if (!part) continue;
    main.append(part);
    nav.append(el('a', { href: `#${part.id}` }, name));
  }
  main.append(
    el('footer', {}, 'Made by ponder from the rows of this run alone; the same numbers stand in report.json.'),
  );
  themeButton();
}

showReport();
