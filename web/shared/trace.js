// Thoughts with their behaviours in colour.

// The marks of the built-in task language and what they show; each has a class b-<mark>.
const behaviours = new Map([
  ['goal', 'analysis'],
  ['try', 'alternative'],
  ['back', 'backtracking'],
  ['wait', 'self-correction'],
  ['test', 'second test'],
  ['yes', 'self-check passed'],
  ['no', 'self-check failed'],
  ['ans', 'answer'],
  ['stop', 'gave up'],
]);
const lineStarts = new Set(['goal', 'try', 'back', 'ans', 'stop']);

// Only the built-in task language uses these words as marks; in free text "no" and "back" are just words.
const isTaskLanguage = (text) =>
  /(^|\s)(goal \d|try \d|ans \S+|back \d)[^;]*(;|\bend\b|$)/.test(text) || /\? \d+ (yes|no)/.test(text);

const words = (text) => text.split(/(\s+)/).map((word) => (behaviours.has(word) ? span(`b-${word}`, word) : word));

// A whole thought, a line an alternative.
function trace(text) {
  const root = div('trace');
  if (!isTaskLanguage(text)) {
    root.append(text);
    return root;
  }
  let line = [];
  const flush = () => {
    if (line.length) root.append(span('line', words(line.join(' '))));
    line = [];
  };
  for (const word of text.trim().split(/\s+/)) {
    if (lineStarts.has(word)) flush();
    line.push(word);
  }
  flush();
  return root;
}

// One step, in one line.
const stepTrace = (text) => span('trace', isTaskLanguage(text) || text.length < 60 ? words(text) : text);

const traceKey = () =>
  div('key', ...[...behaviours].map(([word, meaning]) => span('', span(`mono b-${word}`, word), ` ${meaning}`)));
