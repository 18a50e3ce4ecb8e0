/** The files of a cloud assembly as CDK writes them: manifest, templates, asset lists, construct paths. */

import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import * as z from 'zod/mini';
import { Failure } from '#lib/failure.ts';
import type { StackTemplate } from './template.ts';

/** The folder is not a cloud assembly, or a resource in it has a form that does not run here. */
export class UnreadableAssembly extends Failure {
  static override readonly failureName = 'UnreadableAssembly';
}

const metadataEntries = z.record(z.string(), z.array(z.object({ type: z.string(), data: z.optional(z.unknown()) })));
const manifestFile = z.object({
  artifacts: z.record(
    z.string(),
    z.object({
      type: z.string(),
      properties: z.optional(
        z.object({
          templateFile: z.optional(z.string()),
          stackName: z.optional(z.string()),
          file: z.optional(z.string()),
        }),
      ),
      metadata: z.optional(metadataEntries),
      additionalMetadataFile: z.optional(z.string()),
    }),
  ),
});
const templateFile = z.object({
  Resources: z._default(
    z.record(z.string(), z.object({ Type: z.string(), Properties: z._default(z.unknown(), {}) })),
    {},
  ),
  Outputs: z._default(
    z.record(z.string(), z.object({ Value: z.unknown(), Export: z.optional(z.object({ Name: z.unknown() })) })),
    {},
  ),
});
const assetsFile = z.object({
  files: z.record(
    z.string(),
    z.object({ source: z.object({ path: z.optional(z.string()), packaging: z.optional(z.string()) }) }),
  ),
});
async function readJson<Schema extends z.ZodMiniType>(file: string, schema: Schema): Promise<z.infer<Schema>> {
  try {
    return schema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    throw new UnreadableAssembly(`${file} cannot be read as part of a cloud assembly; synthesize it again`, { cause });
  }
}

/** A template together with where its resources came from. */
export interface ReadStack extends StackTemplate {
  /** Logical id to construct path. */
  readonly paths: ReadonlyMap<string, string>;
}

function constructPaths(metadata: z.infer<typeof metadataEntries>): Map<string, string> {
  const paths = new Map<string, string>();
  for (const [path, entries] of Object.entries(metadata)) {
    for (const { type, data } of entries) {
      // The L1 child that carries the logical id is called Resource; callers know the construct above it.
      if (type === 'aws:cdk:logicalId') paths.set(String(data), path.replace(/^\//, '').replace(/\/Resource$/, ''));
    }
  }
  return paths;
}

/** Every stack, in the order of the manifest. */
export async function readStacks(directory: string): Promise<ReadStack[]> {
  const manifest = await readJson(join(directory, 'manifest.json'), manifestFile);
  const stacks: ReadStack[] = [];
  for (const [id, artifact] of Object.entries(manifest.artifacts)) {
    const file = artifact.properties?.templateFile;
    if (artifact.type !== 'aws:cloudformation:stack' || file === undefined) continue;
    const template = await readJson(join(directory, file), templateFile);
    const { additionalMetadataFile } = artifact;
    const metadata =
      additionalMetadataFile === undefined
        ? (artifact.metadata ?? {})
        : await readJson(join(directory, additionalMetadataFile), metadataEntries);
    stacks.push({
      stackName: artifact.properties?.stackName ?? id,
      resources: new Map(
        Object.entries(template.Resources).map(([name, { Type, Properties }]) => [
          name,
          { type: Type, properties: Properties },
        ]),
      ),
      outputs: new Map(
        Object.entries(template.Outputs).map(([name, { Value, Export }]) => [
          name,
          { value: Value, exportName: Export?.Name },
        ]),
      ),
      paths: constructPaths(metadata),
    });
  }
  return stacks;
}

/** Asset folders by the hash that a template's `Code.S3Key` begins with. */
export async function readAssets(directory: string): Promise<ReadonlyMap<string, string>> {
  const manifest = await readJson(join(directory, 'manifest.json'), manifestFile);
  const folders = new Map<string, string>();
  for (const artifact of Object.values(manifest.artifacts)) {
    if (artifact.type !== 'cdk:asset-manifest' || artifact.properties?.file === undefined) continue;
    const { files } = await readJson(join(directory, artifact.properties.file), assetsFile);
    for (const [hash, { source }] of Object.entries(files)) {
      if (source.path !== undefined) folders.set(hash, resolve(directory, source.path));
    }
  }
  return folders;
}
