/** Progress of a long piece of work: a bar on a terminal, and otherwise a line every ten percent. */

const BAR_COLUMNS = 40;
const LINE_PERCENT = 10;

export class Progress {
  #label;
  #total;
  #done = 0;
  #shown = 0;

  constructor(label, total) {
    this.#label = label;
    this.#total = total;
  }

  add(amount) {
    this.#done += amount;
    const step = process.stdout.isTTY ? 1 : LINE_PERCENT;
    const percent = Math.floor((100 * this.#done) / this.#total / step) * step;
    if (percent > this.#shown) {
      this.#shown = percent;
      process.stdout.write(process.stdout.isTTY ? this.#bar(percent) : `${this.#label} ${percent}%\n`);
    }
  }

  /** Removes the bar, so that the next output has the line to itself. */
  end() {
    if (process.stdout.isTTY) {
      process.stdout.write("\r\x1b[K");
    }
  }

  #bar(percent) {
    const full = Math.round((BAR_COLUMNS * percent) / 100);
    return `\r${this.#label} ${"█".repeat(full)}${"░".repeat(BAR_COLUMNS - full)} ${percent}%`;
  }
}
