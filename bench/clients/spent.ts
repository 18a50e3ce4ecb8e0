/** What the work of a client process took, without the start of Node itself. */

export interface Spent {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMib: number;
}

/** Runs the work and prints what it took, with what it answers, as one line of JSON. */
export async function report(work: () => Promise<object>): Promise<void> {
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  const facts = await work();
  const seconds = (performance.now() - startedMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const spent: Spent = {
    seconds,
    cpuSeconds: (user + system) / 1e6,
    peakMib: process.resourceUsage().maxRSS / 1024,
  };
  process.stdout.write(`${JSON.stringify({ ...spent, ...facts })}\n`);
}
