// Goes through a search in the order in which its nodes were made.

const icon = (path) => svg('svg', { viewBox: '0 0 16 16', width: 14, height: 14, 'aria-hidden': 'true' }, svg('path', { d: path }));
const icons = {
  play: 'M4 2.5v11l9-5.5z',
  pause: 'M4 2.5h3v11H4zM9 2.5h3v11H9z',
  back: 'M11 3v10L5 8zM3.5 3H5v10H3.5z',
  on: 'M5 3v10l6-5zM11 3h1.5v10H11z',
};

class Replay {
  static rates = [2, 8, 32, 128, 512, 2048]; // nodes a second

  // shown(count, newest): so many nodes are there; newest: the last one made, or null where all are shown
  constructor(total, shown) {
    this.total = total;
    this.shown = shown;
    this.count = total;
    this.rate = Replay.rates.find((rate) => total / rate <= 30) || Replay.rates[Replay.rates.length - 1];
    const button = (name, path, act) =>
      el('button', { type: 'button', class: 'quiet icon', 'aria-label': name, title: name, onclick: act }, icon(path));
    this.playButton = button('Play', icons.play, () => this.toggle());
    const range = { type: 'range', min: 1, max: total, value: total, 'aria-label': 'Nodes made so far' };
    this.slider = el('input', { ...range, oninput: () => this.user(Number(this.slider.value)) });
    this.tell = span('muted small num replay-count');
    const rates = Replay.rates.map((rate) => el('option', { value: rate, selected: rate === this.rate }, `${rate} a second`));
    const speed = el('select', { class: 'quiet small', 'aria-label': 'Speed', onchange: () => (this.rate = Number(speed.value)) }, rates);
    this.root = div(
      'row replay',
      button('One node back', icons.back, () => this.step(-1)),
      this.playButton,
      button('One node on', icons.on, () => this.step(1)),
      this.slider,
      this.tell,
      speed,
    );
    this.say();
  }

  say() {
    this.slider.value = this.count;
    this.slider.setAttribute('aria-valuetext', `${this.count} of ${this.total}`);
    this.tell.textContent = `${whole(this.count)} of ${whole(this.total)} nodes`;
  }
  set(count) {
    this.count = Math.max(1, Math.min(this.total, count));
    this.say();
    this.shown(this.count, this.count < this.total || this.playing ? this.count - 1 : null);
  }
  user(count) {
    this.pause();
    this.set(count);
  }
  step(by) {
    this.user(this.count + by);
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }
  play() {
    if (this.count === this.total) this.set(1);
    this.button('Pause', icons.pause);
    this.playing = true;
    let before = performance.now();
    let due = 0;
    const tick = (now) => {
      if (!this.playing) return;
      due += (Math.max(0, now - before) / 1000) * this.rate;
      before = now;
      const made = Math.floor(due);
      if (made > 0) {
        due -= made;
        this.set(this.count + made);
      }
      if (this.count === this.total) this.pause();
      else requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }
  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.button('Play', icons.play);
  }
  button(name, path) {
    this.playButton.replaceChildren(icon(path));
    this.playButton.setAttribute('aria-label', name);
    this.playButton.title = name;
  }
}
