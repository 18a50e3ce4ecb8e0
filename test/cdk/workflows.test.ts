/** What holds for every state machine of an installation. */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { Failure } from '#lib/failure.ts';
import { validateDefinition } from '#local/states/validation.ts';
import { synthesize } from './installation.ts';

interface StateOf {
  readonly Retry?: readonly { ErrorEquals: readonly string[]; JitterStrategy?: string; MaxDelaySeconds?: number }[];
  readonly Branches?: readonly BlockOf[];
  readonly ItemProcessor?: BlockOf;
}
interface BlockOf {
  readonly States: Readonly<Record<string, StateOf>>;
}

const { pipeline, definition, fleet, upkeep, restore, restoreDisk } = synthesize();
const workflows = { backup: definition, fleet, upkeep, restore, 'restore of one disk': restoreDisk };

function statesOf(block: BlockOf): [string, StateOf][] {
  return Object.entries(block.States).flatMap(([name, state]) => [
    [name, state] as [string, StateOf],
    ...[...(state.Branches ?? []), ...(state.ItemProcessor ? [state.ItemProcessor] : [])].flatMap(statesOf),
  ]);
}

/** Names of all failures of the project, as the classes in the failures.ts files declare them. */
async function failureNames(): Promise<Set<string>> {
  const lib = new URL('../../lib/', import.meta.url);
  const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('failures.ts'));
  const names = new Set<string>();
  for (const file of files) {
    for (const exported of Object.values(await import(new URL(file, lib).href))) {
      if (typeof exported === 'function' && exported.prototype instanceof Failure) {
        names.add((exported as unknown as typeof Failure).failureName);
      }
    }
  }
  return names;
}
const ours = await failureNames();
const theirs = /^(Lambda|Sandbox|Runtime|States)\.\w+$/;

test('every state machine of the template is looked at here', () => {
  pipeline.resourceCountIs('AWS::StepFunctions::StateMachine', Object.keys(workflows).length);
});

for (const [name, workflow] of Object.entries(workflows)) {
  const states = statesOf(workflow as unknown as BlockOf);
  const retries = states.flatMap(([state, { Retry = [] }]) => Retry.map((retry) => ({ state, ...retry })));

  test(`${name}: both public validators accept the definition`, async () => {
    await validateDefinition(workflow);
  });

  test(`${name}: every error that is tried again is a failure of ours or one that AWS names`, () => {
    const retried = retries.flatMap(({ ErrorEquals }) => ErrorEquals);
    assert.ok(retried.some((error) => ours.has(error)));
    assert.deepEqual(
      retried.filter((error) => !ours.has(error) && !theirs.test(error)),
      [],
    );
  });

  test(`${name}: nothing is tried again by a wildcard, without jitter or without an upper bound of the pause`, () => {
    for (const { state, ErrorEquals, JitterStrategy, MaxDelaySeconds } of retries) {
      assert.ok(!ErrorEquals.some((error) => error === 'States.ALL' || error === 'States.TaskFailed'), state);
      assert.equal(JitterStrategy, 'FULL', state);
      assert.ok(MaxDelaySeconds !== undefined && MaxDelaySeconds <= 300, state);
    }
  });

  test(`${name}: no state mentions a session, an export name, a password or an opaque reference`, () => {
    assert.doesNotMatch(JSON.stringify(workflow), /session_id|sessionRef|export_?name|password|OpaqueRef/i);
  });
}
