// When a server that has crashed is started again. Times in milliseconds. Pure.
const FIRST = 1_000;
const MOST = 5;
const WINDOW = 180_000;

export class BackOff {
  private crashes: number[] = [];

  /** Count a crash; how long to wait, or undefined where it has crashed too often to go on. */
  next(now: number): number | undefined {
    this.crashes = [...this.crashes.filter((at) => now - at < WINDOW), now];
    return this.crashes.length > MOST ? undefined : FIRST * 2 ** (this.crashes.length - 1);
  }

  reset(): void {
    this.crashes = [];
  }
}
