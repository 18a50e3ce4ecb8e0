/** Synthesizes an installation: `node cdk/app.ts`, with or without the cdk command line, without an account. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App, Validations } from 'aws-cdk-lib';
import * as z from 'zod/mini';
import { PipelineStack } from './pipeline-stack.ts';
import { readSettings } from './settings.ts';
import { SolutionsChecks } from './solutions-checks.ts';
import { VaultStack } from './vault-stack.ts';

const projectRoot = join(import.meta.dirname, '..');

/** The feature flags of cdk.json: the cdk command line passes them in, a bare `node cdk/app.ts` has to read them. */
const { context } = z
  .object({ context: z.record(z.string(), z.unknown()) })
  .parse(JSON.parse(readFileSync(join(projectRoot, 'cdk.json'), 'utf8')));

const app = new App({ context, outdir: process.env['CDK_OUTDIR'] ?? 'cdk.out', analyticsReporting: false });
const settingsPath: unknown = process.env['BLOCKFERRY_SETTINGS'] ?? app.node.tryGetContext('settings');
const settings = readSettings(typeof settingsPath === 'string' ? settingsPath : 'blockferry.json');

const name = `${settings.name}-pipeline`;
if (settings.vault.existing === undefined) {
  const vault = new VaultStack(app, `${settings.name}-vault`, { vault: settings.vault });
  new PipelineStack(app, name, { settings, vault });
} else new PipelineStack(app, name, { settings });
Validations.of(app).addPlugins(new SolutionsChecks(app));
app.synth();
