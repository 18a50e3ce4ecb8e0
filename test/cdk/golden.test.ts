/**
 * What is deployed, in files small enough to review: the state machine, and what each role may do. After an intended
 * change: UPDATE_GOLDEN=1 node --test test/cdk/golden.test.ts
 */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Template } from 'aws-cdk-lib/assertions';
import { resolved, synthesize } from './installation.ts';

const { pipeline, definition, fleet, upkeep, restore, restoreDisk } = synthesize();

function assertGolden(name: string, value: unknown): void {
  const file = new URL(`../golden/${name}`, import.meta.url);
  const text = `${JSON.stringify(value, undefined, 2)}\n`;
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text);
  assert.equal(text, readFileSync(file, 'utf8'));
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value]);

/** For each role its statements, an action and a resource per line. */
function permissions(template: Template): Record<string, string[]> {
  const roles: Record<string, string[]> = {};
  for (const [id, policy] of Object.entries(template.findResources('AWS::IAM::Policy'))) {
    roles[id.replace(/DefaultPolicy.*$/, '')] = policy['Properties'].PolicyDocument.Statement.flatMap(
      ({ Effect, Action, Resource, Condition }: Record<string, unknown>) =>
        listOf(Action).flatMap((action) =>
          listOf(Resource).map((resource) => {
            const only = Condition === undefined ? '' : ` if ${Object.keys(Condition as object).join(', ')}`;
            return `${Effect} ${action} ${resolved(resource)}${only}`;
          }),
        ),
    ).sort();
  }
  return roles;
}

test('the backup workflow is the one that was reviewed', () => {
  assertGolden('backup-workflow.asl.json', definition);
});

test('the fleet workflow is the one that was reviewed', () => {
  assertGolden('fleet-workflow.asl.json', fleet);
});

test('the upkeep workflow is the one that was reviewed', () => {
  assertGolden('upkeep-workflow.asl.json', upkeep);
});

test('the restore workflow is the one that was reviewed', () => {
  assertGolden('restore-workflow.asl.json', restore);
  assertGolden('restore-disk.asl.json', restoreDisk);
});

test('every role may do exactly what was reviewed', () => {
  assertGolden('roles.json', permissions(pipeline));
});
