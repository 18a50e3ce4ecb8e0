/** blockferry sweep: takes away what runs that died have left on a pool and in the vault. */

import { type Command, Option } from 'commander';
import { type Pools, UnknownPool } from '#lib/backup/host-access.ts';
import type { Executions } from '#lib/executions/executions.ts';
import { stepFunctionsExecutions } from '#lib/executions/step-functions.ts';
import { sweep as carryOut, type SweepReport } from '#lib/host/sweep.ts';
import { planSweep, type SweepPlan } from '#lib/host/sweep-plan.ts';
import { systemClock } from '#local/states/system-clock.ts';
import { addHostOptions, type HostOptions, poolOf } from './host-options.ts';
import { addVaultOptions, openVault, UsageError, type VaultOptions } from './vault-options.ts';

interface SweepOptions extends HostOptions, VaultOptions {
  readonly pool: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const DEADLINE_MS = 30 * 60_000;
/** The pool of runs that were started with `backup --local`. */
const LOCAL_POOL = 'local';

export function addSweep(program: Command): void {
  addVaultOptions(addHostOptions(program.command('sweep')))
    .description(
      'remove what runs that died left behind: snapshots, attachments, restored halves, sessions, leases, uploads',
    )
    .addOption(
      new Option('--pool <name>', "the pool's name in the settings; local for backup --local").default(LOCAL_POOL),
    )
    .option('--dry-run', 'say what would go and why, and change nothing')
    .option('--json', 'what goes, what went and what is spared as one JSON object')
    .addHelpText(
      'after',
      '\nRuns of backup --local that wrote nothing for ten minutes are taken for dead: let none be under way.\n' +
        'Exit code: 1 when something had to stay, or when a pool or a record could not be looked at.\n' +
        '\nExample:\n  blockferry sweep --dry-run --host https://192.0.2.10 --fingerprint 00:11:... --vault s3://backups/site-a\n',
    )
    .action(sweep);
}

async function sweep(options: SweepOptions): Promise<void> {
  using vault = openVault(options);
  const ports = {
    store: vault.store,
    pools: onlyPool(options),
    executions: options.pool === LOCAL_POOL ? LOCAL_EXECUTIONS : stepFunctionsExecutions(),
    clock: systemClock,
    signal: AbortSignal.timeout(DEADLINE_MS),
  };
  const plan = await planSweep(ports);
  const report = options.dryRun ? undefined : await carryOut(ports, plan);
  process.stdout.write(options.json ? `${JSON.stringify(factsOf(plan, report))}\n` : textOf(plan, report));
  if (plan.unexamined.length > 0 || (report?.left ?? []).length > 0) process.exitCode = 1;
}

function onlyPool(options: SweepOptions): Pools {
  const { fingerprint } = options;
  if (fingerprint === undefined) throw new UsageError('no fingerprint is pinned; blockferry doctor prints it');
  const pool = poolOf({ ...options, fingerprint }, options.pool);
  return {
    names: [options.pool],
    named(name = options.pool) {
      if (name === options.pool) return pool;
      throw new UnknownPool(`this sweep is of pool ${options.pool} only; sweep ${name} with --pool ${name}`);
    },
  };
}

/** An execution on this machine ends with its process; the sweep's own quiet time guards one that is under way. */
const LOCAL_EXECUTIONS: Executions = { isRunning: () => Promise.resolve(false) };

function factsOf(plan: SweepPlan, report: SweepReport | undefined) {
  const { spared, unexamined } = plan;
  return { goes: linesOf(plan), spared, unexamined, ...(report === undefined ? {} : report) };
}

function linesOf({ runs, leftovers, restores, connections, leases, uploads }: SweepPlan): string[] {
  return [
    ...runs.flatMap(({ record, why, fates }) => [
      `run ${record.run} of ${record.vmName}: ${why}`,
      ...fates.map(({ kind, snapshot, why: reason }) => `  ${nameOf(kind)} ${snapshot}: ${reason}`),
    ]),
    ...leftovers.map(({ fate }) => `${nameOf(fate.kind)} ${fate.snapshot}: ${fate.why}`),
    ...restores.map(
      ({ id, objects }) => `restore ${id}: ${objects.join(', ')}: its execution ended before it was whole`,
    ),
    ...connections.map(({ run }) => `session of run ${run}: it died before its first record`),
    ...leases.map(({ vm, holder }) => `lease of VM ${vm}: ${holder} has ended`),
    ...uploads.map(({ key }) => `upload of ${key}: its reader has ended`),
  ];
}

const nameOf = (kind: 'destroy' | 'keep') => (kind === 'destroy' ? 'snapshot' : 'data of snapshot');

function textOf(plan: SweepPlan, report: SweepReport | undefined): string {
  const goes = linesOf(plan);
  const { unexamined } = plan;
  const lines = [
    ...(goes.length === 0 && unexamined.length === 0 ? ['Nothing was left behind.'] : goes),
    ...unexamined.map(({ what, why }) => `not looked at: ${what}: ${why}`),
    ...plan.spared.map(({ what, why }) => `spared: ${what}: ${why}`),
    ...(report?.removed ?? []).map((what) => `removed: ${what}`),
    ...(report?.left ?? [])
      .filter((remark) => !unexamined.includes(remark))
      .map(({ what, why }) => `still there: ${what}: ${why}`),
  ];
  return `${lines.join('\n')}\n`;
}
