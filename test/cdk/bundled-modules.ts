/** What a function's bundle consists of, as esbuild lists it when it is told what the CDK app tells it. */

import { join } from 'node:path';
import { build } from 'esbuild';
import { BUNDLED } from '#cdk/step-function.ts';

export interface BundledModules {
  readonly bundleBytes: number;
  /** Files of the project and of packages that contribute code. */
  readonly files: readonly string[];
}

export async function bundledModules(step: string): Promise<BundledModules> {
  const { target, mainFields, minify, externalModules } = BUNDLED.bundling;
  const { metafile } = await build({
    absWorkingDir: BUNDLED.projectRoot,
    entryPoints: [join('functions', `${step}.ts`)],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target,
    mainFields,
    minify,
    external: externalModules,
    metafile: true,
    write: false,
    outfile: 'index.js',
    logLevel: 'error',
  });
  const bundle = metafile.outputs['index.js'];
  const inputs = Object.entries(bundle?.inputs ?? {});
  return {
    bundleBytes: bundle?.bytes ?? 0,
    files: inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([file]) => file),
  };
}
