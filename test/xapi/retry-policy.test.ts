import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerLost, AnswerOverdue, HostUnreachable, SessionLost, VdiInUse } from '#lib/xapi/failures.ts';
import { decideRetry } from '#lib/xapi/retry-policy.ts';

const facts = { code: 'X', reaction: 'retry' as const };
const fresh = { repeats: 0, loggedInAgain: false };
const unreachable = new HostUnreachable('x');
const lost = new AnswerLost('x');

test('a call that was never sent is repeated whatever it does; one whose answer was lost only when it reads', () => {
  const kinds = (failure: Error) =>
    (['read', 'change'] as const).map((callKind) => decideRetry({ ...fresh, failure, callKind }).kind);
  assert.deepEqual(kinds(unreachable), ['repeat', 'repeat']);
  assert.deepEqual(kinds(lost), ['repeat', 'leave']);
  assert.deepEqual(kinds(new AnswerOverdue('x')), ['leave', 'leave']);
  assert.deepEqual(kinds(new SessionLost('x', facts)), ['log-in-again', 'log-in-again']);
});

test('repeats and new logins are bounded', () => {
  const after = (repeats: number) => decideRetry({ failure: lost, callKind: 'read', repeats, loggedInAgain: false });
  assert.deepEqual(
    [0, 1, 2, 3].map((repeats) => after(repeats).kind),
    ['repeat', 'repeat', 'leave', 'leave'],
  );
  const again = { failure: new SessionLost('x', facts), callKind: 'read' as const, repeats: 0, loggedInAgain: true };
  assert.deepEqual(decideRetry(again), { kind: 'leave' });
});

test('what the host refused is left to the workflow, transient or not', () => {
  const failure = new VdiInUse('x', facts);
  assert.deepEqual(decideRetry({ ...fresh, failure, callKind: 'read' }), { kind: 'leave' });
  assert.deepEqual(decideRetry({ ...fresh, failure: new Error('a mistake'), callKind: 'read' }), { kind: 'leave' });
});
