/** Bundles as a test needs them: source text in a folder of its own, hosted as one function. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { InvocationReport, LogLine } from '#local/lambda/function-host.ts';
import { FunctionHost, type HostedFunction, type HostSettings } from '#local/lambda/function-host.ts';

export const FUNCTION_ARN = 'arn:aws:lambda:us-east-1:123456789012:function:probe';

export interface Hosted {
  readonly host: FunctionHost;
  readonly logs: LogLine[];
  readonly reports: InvocationReport[];
  readonly invoke: (payload?: unknown) => ReturnType<FunctionHost['invoke']>;
}

/** Hosts `export const handler = <body>`; everything is gone when the test ends. */
export async function hostHandler(
  t: TestContext,
  body: string,
  settings: Partial<HostedFunction> & Partial<HostSettings> = {},
): Promise<Hosted> {
  const assetDirectory = await mkdtemp(join(tmpdir(), 'blockferry-bundle-'));
  await writeFile(join(assetDirectory, 'index.mjs'), `${body}\n`);
  const logs: LogLine[] = [];
  const reports: InvocationReport[] = [];
  const host = new FunctionHost({
    functions: [
      {
        arn: FUNCTION_ARN,
        name: 'probe',
        assetDirectory,
        handler: 'index.handler',
        memoryMb: 256,
        timeoutSeconds: 10,
        environment: {},
        ...settings,
      },
    ],
    onLog: (line) => logs.push(line),
    onInvocation: (report) => reports.push(report),
    ...settings,
  });
  t.after(async () => {
    await host.stop();
    await rm(assetDirectory, { recursive: true });
  });
  return { host, logs, reports, invoke: (payload = {}) => host.invoke(FUNCTION_ARN, payload) };
}
