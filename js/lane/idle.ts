/** Notices that nothing has happened for a while. */

const IDLE_MILLIS = 5_000;

export class Idle {
  readonly #onIdle: () => void;
  #timer: NodeJS.Timeout | undefined;
  #touched = false;

  /** `onIdle` is called once, when 5 to 10 seconds have passed since the last touch. It keeps no process alive. */
  constructor(onIdle: () => void) {
    this.#onIdle = onIdle;
  }

  /** Something has happened. */
  touch(): void {
    this.#touched = true;
    this.#timer ??= setTimeout(this.#check, IDLE_MILLIS).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  readonly #check = (): void => {
    this.#timer = undefined;
    if (this.#touched) {
      this.touch();
      this.#touched = false;
    } else {
      this.#onIdle();
    }
  };
}
