/** What a function's bundle consists of, as esbuild lists it. */

import { bundleFunctions } from '#cdk/function-bundles.ts';

export interface BundledModules {
  readonly bundleBytes: number;
  /** Files of the project and of packages that contribute code. */
  readonly files: readonly string[];
}

export function bundledModules(step: string): BundledModules {
  const bundle = bundleFunctions().metafile.outputs[`${step}.js`];
  const inputs = Object.entries(bundle?.inputs ?? {});
  return {
    bundleBytes: bundle?.bytes ?? 0,
    files: inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([file]) => file),
  };
}
