/** An installation synthesized in memory, without bundling, with its references replaced by readable names. */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { PipelineStack } from '#cdk/pipeline-stack.ts';
import { parseSettings, type Settings } from '#cdk/settings.ts';
import { VaultStack } from '#cdk/vault-stack.ts';

export const MACHINE_ARN = 'arn:aws:states:us-east-1:123456789012:stateMachine:backup';
export const DISK_MACHINE_ARN = 'arn:aws:states:us-east-1:123456789012:stateMachine:restore-disk';
export const FUNCTION_ARN = 'arn:aws:lambda:us-east-1:123456789012:function:';
export const STEPS = [
  'snapshot-disks',
  'split-extents',
  'read-shard',
  'keep-failure',
  'commit-point',
  'release-host',
] as const;
export const RESTORE_STEPS = [
  'plan-restore',
  'write-range',
  'verify-range',
  'finish-restore',
  'release-restore',
] as const;
/** Every function of the installation, by the name of its step. */
export const FUNCTIONS = [
  ...STEPS,
  'list-vms',
  'watch-points',
  'sweep-runs',
  'take-inventory',
  'prune-points',
  'plan-collection',
  'remove-versions',
  'verify-points',
  'write-report',
  ...RESTORE_STEPS,
] as const;

const projectFile = (path: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'));

export function testSettings(changes: Record<string, unknown> = {}): Settings {
  return parseSettings({ ...(projectFile('test/cdk/settings.json') as object), ...changes }, 'the test settings');
}

export interface Installation {
  readonly vault: Template;
  readonly pipeline: Template;
  /** The backup workflow; functions are named by FUNCTION_ARN and their step, the vault's bucket is `vault`. */
  readonly definition: Record<string, unknown>;
  /** The fleet workflow; the backup workflow is named MACHINE_ARN. */
  readonly fleet: Record<string, unknown>;
  readonly upkeep: Record<string, unknown>;
  /** The machine that it runs for each disk is named DISK_MACHINE_ARN. */
  readonly restore: Record<string, unknown>;
  readonly restoreDisk: Record<string, unknown>;
}

/** The stacks of an installation, not synthesized yet; nothing is bundled. */
export function makeStacks(settings: Settings) {
  const { context } = projectFile('cdk.json') as { context: Record<string, unknown> };
  const outdir = mkdtempSync(join(tmpdir(), 'blockferry-cdk-'));
  const app = new App({
    outdir,
    context: { ...context, 'aws:cdk:bundling-stacks': [] },
    analyticsReporting: false,
  });
  const vault = new VaultStack(app, 'vault', { vault: settings.vault });
  const existing = settings.vault.existing !== undefined;
  const pipeline = new PipelineStack(app, 'pipeline', existing ? { settings } : { settings, vault });
  return { app, outdir, vault, pipeline };
}

export function synthesize(settings: Settings = testSettings()): Installation {
  const { outdir, vault, pipeline } = makeStacks(settings);
  try {
    const template = Template.fromStack(pipeline);
    const machines = Object.values(template.findResources('AWS::StepFunctions::StateMachine'));
    const definitionOf = (name: string) => {
      const machine = machines.find(({ Properties }) => Properties.StateMachineName === name);
      return JSON.parse(resolved(machine?.['Properties'].DefinitionString));
    };
    return {
      vault: Template.fromStack(vault),
      pipeline: template,
      definition: definitionOf('blockferry-backup'),
      fleet: definitionOf('blockferry-fleet'),
      upkeep: definitionOf('blockferry-upkeep'),
      restore: definitionOf('blockferry-restore'),
      restoreDisk: definitionOf('blockferry-restore-disk'),
    };
  } finally {
    rmSync(outdir, { recursive: true });
  }
}

const PSEUDO: Record<string, string> = {
  'AWS::Partition': 'aws',
  'AWS::Region': 'us-east-1',
  'AWS::AccountId': '123456789012',
};

/** Arguments of the intrinsic functions below, each with the fields of all. */
type Argument = string & [string, unknown[]] & { readonly OutputName: string };

/** Text of a value with intrinsic functions: joined, references by the names a reader knows. */
export function resolved(value: unknown): string {
  if (typeof value === 'string') return value;
  const [[intrinsic, argument] = assert.fail('no intrinsic function')] = Object.entries(
    value as Record<string, Argument>,
  );
  switch (intrinsic) {
    case 'Fn::Join':
      return argument[1].map(resolved).join(argument[0]);
    case 'Ref':
      if (/^BackupStateMachine/.test(argument)) return MACHINE_ARN;
      if (/^RestoreDiskStateMachine/.test(argument)) return DISK_MACHINE_ARN;
      return PSEUDO[argument] ?? `REF:${argument.replace(/[0-9A-F]{8}$/, '')}`;
    case 'Fn::GetAtt':
      return attribute(argument[0]);
    case 'Fn::GetStackOutput':
      if (argument.OutputName.includes('FnGetAttKey')) return 'arn:aws:kms:us-east-1:123456789012:key/vault';
      return argument.OutputName.includes('FnGetAttBucket') ? 'arn:aws:s3:::vault' : 'vault';
    default:
      throw new Error(`cannot resolve ${JSON.stringify(value)}`);
  }
}

function attribute(logicalId: string): string {
  const step = FUNCTIONS.find((name) => logicalId.startsWith(name.replaceAll('-', '')));
  if (step !== undefined) return logicalId.includes('Log') ? `LOG:${step}` : `${FUNCTION_ARN}${step}`;
  return logicalId;
}
