'use strict';
// Building blocks of the page. All text enters through text nodes and attributes, never as markup.

const svgNamespace = document.getElementById('mark').namespaceURI;

function fillElement(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}

const el = (tag, attributes, ...children) => fillElement(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  fillElement(document.createElementNS(svgNamespace, tag), attributes, children);

// The most common elements, by class.
const div = (classes, ...children) => el('div', { class: classes || null }, children);
const span = (classes, ...children) => el('span', { class: classes || null }, children);
const paragraph = (classes, ...children) => el('p', { class: classes || null }, children);
const list = (items) => el('ul', {}, ...items.map((item) => el('li', {}, item)));
const fold = (title, ...children) => el('details', { class: 'numbers' }, el('summary', {}, title), children);

// Numbers for people. A number that was not measured is null and shows as a dash.
const isNumber = (v) => typeof v === 'number' && Number.isFinite(v);
const fixed = (v, digits) => (isNumber(v) ? v.toFixed(digits).replace('-', '−') : '–');
const percent = (v, digits = 1) => (isNumber(v) ? fixed(v * 100, digits) + '%' : '–');
const interval = (lo, hi) => `[${fixed(lo * 100, 1)}, ${fixed(hi * 100, 1)}]`;
const whole = (v) => (isNumber(v) ? Math.round(v).toLocaleString('en-US') : '–');
const signedPoints = (v) => (v >= 0 ? '+' : '') + fixed(v * 100, 1);

function short(v, digits = 3) {
  if (!isNumber(v)) return '–';
  const size = Math.abs(v);
  if (size >= 1e15 || (size > 0 && size < 1e-3)) {
    const [mantissa, exponent] = v.toExponential(Math.max(0, digits - 1)).split('e');
    return `${mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa}e${Number(exponent)}`.replace(
      '-',
      '−',
    );
  }
  const units = [
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ];
  for (const [scale, unit] of units) {
    if (size >= scale)
      return (
        Number((v / scale).toPrecision(digits))
          .toString()
          .replace('-', '−') + unit
      );
  }
  return Number(v.toPrecision(digits)).toString().replace('-', '−');
}

function duration(seconds) {
  if (!isNumber(seconds)) return '–';
  if (seconds < 59.95) return `${fixed(seconds, 1)} s`;
  const all = Math.round(seconds);
  const minutes = Math.floor(all / 60);
  if (minutes < 60) return `${minutes} min ${String(all % 60).padStart(2, '0')} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

// One tooltip for the page: a title and rows of [name, value], at a point of the page.
const tooltip = {
  node: document.getElementById('tooltip'),
  show(x, y, title, rows) {
    this.node.replaceChildren(
      el('b', {}, title),
      el(
        'table',
        {},
        rows.map(([k, v]) => el('tr', {}, el('td', {}, k), el('td', {}, v))),
      ),
    );
    this.node.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = this.node;
    const left = Math.max(8, Math.min(x + 14, document.documentElement.clientWidth - width - 8));
    const above = y - height - 12;
    this.node.style.left = `${left + window.scrollX}px`;
    this.node.style.top = `${(above > 56 ? above : y + 16) + window.scrollY}px`;
  },
  hide() {
    this.node.hidden = true;
  },
};

// A group of buttons of which one is pressed.
function tabs(label, options, chosen, choose) {
  const group = el('div', { class: 'tabs', role: 'group', 'aria-label': label });
  for (const [value, text] of options) {
    group.append(
      el(
        'button',
        {
          type: 'button',
          'aria-pressed': String(value === chosen),
          onclick: (event) => {
            for (const button of group.children)
              button.setAttribute('aria-pressed', String(button === event.currentTarget));
            choose(value);
          },
        },
        text,
      ),
    );
  }
  return group;
}

// columns: [{name, right, wide, cell(row)}]; foot: a cell a column
function dataTable(columns, rows, foot) {
  const cellOf = (column, content) => el('td', { class: column.right ? 'r' : column.wide ? 'wide' : null }, content);
  return el(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Table' },
    el(
      'table',
      { class: 'data' },
      el(
        'thead',
        {},
        el(
          'tr',
          {},
          columns.map((c) => el('th', { class: c.right ? 'r' : null, scope: 'col' }, c.name)),
        ),
      ),
      el(
        'tbody',
        {},
        rows.map((row) =>
          el(
            'tr',
            {},
            columns.map((c) => cellOf(c, c.cell(row))),
          ),
        ),
      ),
      foot &&
        el(
          'tfoot',
          {},
          el(
            'tr',
            {},
            columns.map((c, i) => cellOf(c, foot[i])),
          ),
        ),
    ),
  );
}

// Content that is built when it is first opened.
function numbersBelow(title, build) {
  const details = el('details', { class: 'numbers' }, el('summary', {}, title));
  details.addEventListener('toggle', () => {
    if (details.open && details.children.length === 1) details.append(build());
  });
  return details;
}

const unique = (values) => [...new Set(values)];

function verdictChip(verdict) {
  const kinds = {
    correct: ['good', '✓ correct'],
    wrong: ['bad', '✗ wrong'],
    unparsable: ['bad', '✗ no answer'],
    timeout: ['warn', 'timeout'],
  };
  const [kind, text] = kinds[verdict] || ['', verdict || 'not judged'];
  return el('span', { class: `chip ${kind}` }, text);
}

function themeButton() {
  const button = document.getElementById('theme');
  const root = document.documentElement;
  button.addEventListener('click', () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === 'dark'
      : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = dark ? 'light' : 'dark';
  });
}
