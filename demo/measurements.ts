/** What one run of the demo used, and the table that says so. */

import { formatBytes, formatTable } from '#cli/console-text.ts';
import { describePrices, SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { type FunctionUsage, runCost } from '#lib/cost/run-cost.ts';
import type { InvocationReport } from '#local/lambda/function-host.ts';
import type { S3Server } from '#local/s3/server.ts';
import type { Execution } from '#local/states/execution.ts';
import type { Simulator } from '#sim/simulator.ts';
import { serverCount } from './server-count.ts';

export interface RunMeasurement {
  readonly title: string;
  readonly seconds: number;
  readonly nbdBytes: number;
  readonly nbdConnections: number;
  readonly storedBytes: number;
  readonly putRequests: number;
  readonly getRequests: number;
  readonly readers: FunctionUsage;
  readonly control: FunctionUsage;
  readonly stateTransitions: number;
  readonly peakReaderBytes: number;
}

/** With the comparison of the point's cost record with what the S3 server counted. */
export interface DemoRun extends RunMeasurement {
  readonly recordIsExact: boolean;
}

/** Counts everything since it was made. */
export class Meter {
  readonly #sim: Simulator;
  readonly #s3: S3Server;
  readonly #startedMs = performance.now();
  readonly #before: { nbdBytes: number; connections: number; puts: number; gets: number };
  readonly #invocations: InvocationReport[] = [];

  constructor(sim: Simulator, s3: S3Server) {
    this.#sim = sim;
    this.#s3 = s3;
    this.#before = this.#now();
  }

  count(report: InvocationReport): void {
    this.#invocations.push(report);
  }

  /** `executions` are those of the run: the workflow and its readers. */
  result(title: string, executions: readonly Execution[], storedBytes: number): RunMeasurement {
    const now = this.#now();
    return {
      title,
      seconds: (performance.now() - this.#startedMs) / 1000,
      nbdBytes: now.nbdBytes - this.#before.nbdBytes,
      nbdConnections: now.connections - this.#before.connections,
      storedBytes,
      putRequests: now.puts - this.#before.puts,
      getRequests: now.gets - this.#before.gets,
      readers: usageOf(this.#invocations.filter(isReader)),
      control: usageOf(this.#invocations.filter((report) => !isReader(report))),
      stateTransitions: executions.reduce((sum, { transitions }) => sum + transitions, 0),
      peakReaderBytes: Math.max(0, ...this.#invocations.filter(isReader).map(({ peakBytes }) => peakBytes ?? 0)),
    };
  }

  #now() {
    const { nbdBytesByVdi, nbdConnectionsTotal } = this.#sim.counters;
    const { puts, gets } = serverCount(this.#s3);
    const nbdBytes = Object.values(nbdBytesByVdi).reduce((sum, bytes) => sum + bytes, 0);
    return { nbdBytes, connections: nbdConnectionsTotal, puts, gets };
  }
}

function usageOf(invocations: readonly InvocationReport[]): FunctionUsage {
  return { gbSeconds: invocations.reduce((sum, { gbSeconds }) => sum + gbSeconds, 0), calls: invocations.length };
}

const isReader = ({ functionName }: InvocationReport) => /read-?shard/i.test(functionName);

export function measurementTable(runs: readonly RunMeasurement[]): string {
  const costs = runs.map((run) => runCost(SHIPPED_PRICES, { ...run, puts: run.putRequests, gets: run.getRequests }));
  const row = (name: string, cell: (index: number) => string) => [name, ...runs.map((_, index) => cell(index))];
  const of = (index: number): RunMeasurement => runs[index] ?? emptyRun;
  const rows = [
    row('read from the host over NBD', (i) => formatBytes(of(i).nbdBytes)),
    row('stored in the vault', (i) => formatBytes(of(i).storedBytes)),
    row('S3 requests (write + read)', (i) => `${of(i).putRequests} + ${of(i).getRequests}`),
    row('seconds', (i) => of(i).seconds.toFixed(1)),
    row('NBD connections', (i) => String(of(i).nbdConnections)),
    row('largest reader, peak memory', (i) => formatBytes(of(i).peakReaderBytes)),
    row('Lambda GB-seconds', (i) => (of(i).readers.gbSeconds + of(i).control.gbSeconds).toFixed(1)),
    row('state transitions', (i) => String(of(i).stateTransitions)),
    row('would cost on AWS: readers', (i) => dollars(costs[i]?.readers.dollars)),
    row('would cost on AWS: steps around them', (i) => dollars(costs[i]?.control?.dollars)),
    row('would cost on AWS: Step Functions', (i) => dollars(costs[i]?.workflow.dollars)),
    row('would cost on AWS: S3 requests', (i) => dollars(costs[i]?.requests.dollars)),
    row('would cost on AWS: storage, each month', (i) => dollars(costs[i]?.storageMonth.dollars)),
  ];
  const note = `Prices: ${describePrices(SHIPPED_PRICES, new Date())}.`;
  return `${formatTable(['', ...runs.map(({ title }) => title)], rows)}\n${note}`;
}

const dollars = (amount: number | undefined) => `$${(amount ?? 0).toFixed(5)}`;

const emptyRun: RunMeasurement = {
  title: '',
  seconds: 0,
  nbdBytes: 0,
  nbdConnections: 0,
  storedBytes: 0,
  putRequests: 0,
  getRequests: 0,
  readers: { gbSeconds: 0, calls: 0 },
  control: { gbSeconds: 0, calls: 0 },
  stateTransitions: 0,
  peakReaderBytes: 0,
};
