/** blockferry estimate: what backups will cost, before there are any or from those that are there. */

import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PACK_PART_BYTES } from '#lib/backup/pack-writer.ts';
import { keepBudget, passedBudgets } from '#lib/cost/budget.ts';
import { readClosing } from '#lib/cost/closings.ts';
import { estimateMonth, estimateRestore, estimateRun, type Setup } from '#lib/cost/estimate.ts';
import { pointCost } from '#lib/cost/point-cost.ts';
import { type PriceList, PricesInvalid, parsePrices, SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { readersFor } from '#lib/cost/readers.ts';
import { recommend } from '#lib/cost/recommendation.ts';
import {
  allocatedBytesOf,
  type Sizes,
  sizesOfAllocated,
  sizesOfFull,
  sizesOfPoints,
  workloadOf,
} from '#lib/cost/workload.ts';
import type { PointClosing } from '#lib/format/call-record.ts';
import type { VmPoint } from '#lib/format/point.ts';
import { readInventories } from '#lib/report/kept-inventories.ts';
import { listPoints } from '#lib/restore/points.ts';
import { GIB, MIB } from '#lib/units.ts';
import { STORAGE_CLASSES } from '#lib/workflow/backup-input.ts';
import { policyEstimate, policyText } from './estimate-policy.ts';
import { type EstimateResult, estimateText } from './estimate-text.ts';
import { addVaultOptions, openVault, UsageError, type VaultOptions } from './vault-options.ts';

interface EstimateOptions extends VaultOptions {
  readonly vm?: string;
  readonly policy?: string;
  readonly settings: string;
  readonly allocated?: number;
  readonly change?: number;
  readonly runs: number;
  readonly keep: number;
  readonly readers?: number;
  readonly memory: number;
  readonly part: number;
  readonly class: Setup['storageClass'];
  readonly linkRate: number;
  readonly link: Setup['link'];
  readonly endpoints: number;
  readonly zones: number;
  readonly budget?: number;
  readonly runBudget?: number;
  readonly budgetStop?: boolean;
  readonly prices?: string;
  readonly json?: boolean;
}

const LINKS: readonly Setup['link'][] = ['none', 'vpn', 'transit-gateway', 'nat', 'direct-connect'];
/** Days of a month, for points kept and runs made. */
const MONTH_DAYS = 30;
const MEGABIT_BYTES = 125_000;

export function addEstimate(program: Command): void {
  addVaultOptions(program.command('estimate'))
    .description('what backups of a VM cost for each run and each month, with the arithmetic')
    .option('--vm <uuid or name>', 'a VM that has points in the vault: its own changed blocks are used')
    .option('--policy <name>', 'every VM that this policy of the settings file selects')
    .option('--settings <file>', 'the settings file, for --policy', 'blockferry.json')
    .option('--allocated <GiB>', 'without points: what its disks have allocated', positive)
    .option('--change <GiB>', 'what changes between two runs', positive)
    .option('--runs <count>', 'runs a month', positive, MONTH_DAYS)
    .option('--keep <count>', 'increments kept', positive, MONTH_DAYS)
    .option('--readers <count>', 'parallel readers; left out: what the link needs', positive)
    .option('--memory <MB>', 'memory of a reader', positive, 1024)
    .option('--part <MiB>', 'size of the parts of an upload', positive, PACK_PART_BYTES / MIB)
    .addOption(new Option('--class <name>', 'storage class').choices([...STORAGE_CLASSES]).default('STANDARD'))
    .option('--link-rate <Mbit/s>', 'what the way to the hosts carries', positive, 1000)
    .addOption(new Option('--link <kind>', 'a link paid for by the backup alone').choices([...LINKS]).default('none'))
    .option('--endpoints <count>', 'paid interface endpoints', positive, 0)
    .option('--zones <count>', 'zones each endpoint is in', positive, 1)
    .option('--budget <dollars>', 'what a month may cost', positive)
    .option('--run-budget <dollars>', 'what one increment may cost', positive)
    .option('--budget-stop', 'fail when the budget is passed, instead of warning')
    .option('--prices <file>', 'prices written by blockferry prices refresh')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      '\nExamples:\n  blockferry estimate --allocated 1024 --change 20 --link-rate 1250 --link vpn\n  blockferry estimate --vm web-1 --vault s3://my-vault --class GLACIER_IR\n',
    )
    .action(estimate);
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value >= 0) || text === '') throw new InvalidArgumentError('give a number that is not negative');
  return value;
}

async function estimate(options: EstimateOptions): Promise<void> {
  const prices = options.prices === undefined ? SHIPPED_PRICES : await pricesOf(options.prices);
  if (options.policy !== undefined) return estimateOfPolicy({ ...options, policy: options.policy }, prices);
  const known = options.vm === undefined ? undefined : await knownOf(options, options.vm);
  const sizes = sizesOf(options, known);
  const setup = setupOf(options);
  const load = workloadOf(sizes, { readers: setup.readers, runsPerMonth: options.runs, kept: options.keep });
  const { storedRatio } = load;
  const keptDays = Math.max(1, Math.round((options.keep * MONTH_DAYS) / Math.max(1, options.runs)));
  const { newest, closing } = known ?? {};
  const last = newest?.measured.requests && pointCost({ prices, storageClass: setup.storageClass }, newest, closing);
  const result = {
    prices,
    sizes,
    setup,
    runs: {
      full: estimateRun(prices, setup, { ...load.full, storedRatio }),
      increment: estimateRun(prices, setup, { ...load.increment, storedRatio }),
    },
    months: {
      first: estimateMonth(prices, setup, { ...load, which: 'first' }),
      steady: estimateMonth(prices, setup, { ...load, which: 'steady' }),
    },
    restore: estimateRestore(prices, setup, load.full.bytes * storedRatio),
    advice: recommend(prices, setup, { ...load, keptDays }),
    ...(last && { last }),
  };
  process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : estimateText(result, new Date()));
  judge(options, result);
}

async function estimateOfPolicy(options: EstimateOptions & { policy: string }, prices: PriceList): Promise<void> {
  using vault = openVault(options);
  const result = await policyEstimate(vault.store, options, { prices, setup: setupOf(options) });
  process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : policyText(result, new Date()));
}

async function pricesOf(file: string): Promise<PriceList> {
  try {
    return parsePrices(JSON.parse(await readFile(file, 'utf8')), file);
  } catch (cause) {
    if (cause instanceof PricesInvalid) throw cause;
    throw new UsageError(`the prices in ${file} cannot be read; write them with blockferry prices refresh`, { cause });
  }
}

/** What the vault tells of a VM. */
interface KnownVm {
  /** By its increments, else by what is allocated. */
  readonly sizes: Sizes;
  readonly newest: VmPoint | undefined;
  readonly closing: PointClosing | undefined;
}

async function knownOf(options: EstimateOptions, vm: string): Promise<KnownVm> {
  using vault = openVault(options);
  const all = (await listPoints(vault.store)).map(({ point }) => point);
  const points = all.filter((point) => point.vm === vm || point.vmName === vm);
  const newest = points.at(-1);
  const inventory = (await readInventories(vault.store)).flatMap(({ vms }) => vms);
  const listed = inventory.find(({ uuid, name }) => uuid === vm || name === vm);
  const sizes = sizesOfPoints(points) ?? (listed && sizesOfAllocated(allocatedBytesOf(listed))) ?? sizesOfFull(newest);
  if (sizes === undefined) {
    throw new UsageError(`the vault knows no point and no inventory of ${vm}; give --allocated instead of --vm`);
  }
  return { sizes, newest, closing: newest && (await readClosing(vault.store, newest)) };
}

/** What is said on the command line counts more than what was measured: that is what if. */
function sizesOf({ allocated, change }: EstimateOptions, known: KnownVm | undefined): Sizes {
  const sizes = allocated === undefined ? known?.sizes : sizesOfAllocated(allocated * GIB);
  if (sizes === undefined) throw new UsageError('say what to estimate: --vm of the vault, or --allocated GiB');
  return change === undefined ? sizes : { ...sizes, incrementBytes: change * GIB };
}

function setupOf(options: EstimateOptions): Setup {
  const linkMibPerSecond = (options.linkRate * MEGABIT_BYTES) / MIB;
  return {
    readers: options.readers ?? readersFor(linkMibPerSecond),
    memoryMib: options.memory,
    partBytes: options.part * MIB,
    storageClass: options.class,
    linkMibPerSecond,
    link: options.link,
    endpoints: options.endpoints,
    zones: options.zones,
  };
}

function judge({ budget, runBudget, budgetStop }: EstimateOptions, { runs, months }: EstimateResult): void {
  const passed = passedBudgets(
    { perRun: runBudget, perMonth: budget, onExceed: 'warn' },
    { run: runs.increment.terms, month: months.steady },
  ).join(' ');
  const warning = keepBudget({ onExceed: budgetStop ? 'stop' : 'warn' }, passed);
  if (warning !== '') process.stderr.write(`blockferry: ${warning}\n`);
}
