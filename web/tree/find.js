// Looks for a text in the steps.

class Find {
  // found(places, wanted, current): which nodes hold it, and the one to go to (-1: none)
  constructor(tree, found) {
    this.tree = tree;
    this.found = found;
    this.places = [];
    this.at = -1;
    this.texts = null; // in small letters, made when they are first needed
    this.input = el('input', {
      type: 'search',
      class: 'find-text',
      placeholder: 'Find in steps',
      'aria-label': 'Find in steps',
      oninput: () => this.look(this.input.value),
      onkeydown: (event) => this.key(event),
    });
    this.tell = el('span', { class: 'muted small num find-count', role: 'status' });
    this.root = div('row find', this.input, this.tell);
  }

  look(wanted) {
    this.texts ||= this.tree.nodes.map((node) => (node.text || '').toLowerCase());
    const low = wanted.toLowerCase();
    this.show(low ? this.texts.flatMap((text, i) => (text.includes(low) ? [i] : [])) : [], wanted);
  }
  // Those that were found otherwise.
  show(places, wanted) {
    this.places = places;
    this.wanted = wanted;
    this.at = places.length ? 0 : -1;
    this.say();
  }
  step(by) {
    if (!this.places.length) return;
    this.at = (this.at + by + this.places.length) % this.places.length;
    this.say();
  }
  say() {
    const none = this.wanted ? 'nothing found' : '';
    this.tell.textContent = this.places.length ? `${whole(this.at + 1)} of ${whole(this.places.length)}` : none;
    this.found(new Set(this.places), this.wanted, this.at < 0 ? -1 : this.places[this.at]);
  }
  key(event) {
    if (event.key === 'Enter') {
      event.preventDefault();
      this.step(event.shiftKey ? -1 : 1);
    } else if (event.key === 'Escape') {
      this.input.value = '';
      this.look('');
      this.input.blur();
    }
  }
}
