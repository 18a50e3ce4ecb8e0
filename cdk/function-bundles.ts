/** The code of every step's function as it is deployed: its handler and all that it imports, in one file. */

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AssetHashType, DockerImage } from 'aws-cdk-lib';
import { type AssetCode, Code } from 'aws-cdk-lib/aws-lambda';
import { type BuildOptions, buildSync, type Metafile } from 'esbuild';

const projectRoot = join(import.meta.dirname, '..');
const HANDLERS = 'functions';

/** Lambda gives credentials in the environment; the SDK would load these only after not finding any there. */
const UNUSED_CREDENTIAL_PROVIDERS = [
  '@aws-sdk/credential-provider-http',
  '@aws-sdk/credential-provider-ini',
  '@aws-sdk/credential-provider-process',
  '@aws-sdk/credential-provider-sso',
  '@aws-sdk/credential-provider-web-identity',
  '@smithy/credential-provider-imds',
];

/**
 * One file without source map. CommonJS because it starts faster: the S3 client imports in 45 ms so and in 62 ms as ES
 * module. The SDK is bundled, so that the version that was tested is the one that runs.
 */
export const BUNDLE_OPTIONS = {
  bundle: true,
  minify: true,
  platform: 'node',
  format: 'cjs',
  target: 'node24',
  mainFields: ['module', 'main'],
  external: UNUSED_CREDENTIAL_PROVIDERS,
  logLevel: 'error',
} satisfies BuildOptions;

export interface FunctionBundles {
  /** By the name of the handler's file, which is the step's. */
  readonly code: ReadonlyMap<string, Uint8Array>;
  /** Outputs are named as the steps, with `.js`. */
  readonly metafile: Metafile;
}

let made: FunctionBundles | undefined;

/** In one run of esbuild, for the handlers share most modules: a run for each took twice the processor's time. */
export function bundleFunctions(): FunctionBundles {
  made ??= runEsbuild();
  return made;
}

function runEsbuild(): FunctionBundles {
  const { outputFiles, metafile } = buildSync({
    ...BUNDLE_OPTIONS,
    absWorkingDir: projectRoot,
    entryPoints: readdirSync(join(projectRoot, HANDLERS)).map((file) => join(HANDLERS, file)),
    outbase: HANDLERS,
    outdir: '.',
    write: false,
    metafile: true,
  });
  return { code: new Map(outputFiles.map(({ path, contents }) => [stepOf(path), contents])), metafile };
}

const stepOf = (path: string) => path.slice(path.lastIndexOf('/') + 1).replace(/\.js$/, '');

export function functionCode(step: string): AssetCode {
  return Code.fromAsset(join(projectRoot, HANDLERS), {
    // Of the bundle, so that a function is deployed again only when its own code has changed.
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      local: {
        tryBundle(outputFolder) {
          const code = bundleFunctions().code.get(step);
          if (code !== undefined) writeFileSync(join(outputFolder, 'index.js'), code);
          return code !== undefined;
        },
      },
      // Never run, for local bundling comes first. The CDK tells assets apart by the command, and would stage but one.
      image: DockerImage.fromRegistry('scratch'),
      command: [step],
    },
  });
}
