import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { z } from 'zod/mini';
import { Secret } from '#lib/secret.ts';
import {
  AnswerLost,
  AnswerOverdue,
  HostUnreachable,
  NotCoordinator,
  SessionLost,
  UnexpectedReply,
  WrongCredentials,
} from '#lib/xapi/failures.ts';
import { loginXapi, resumeXapi } from '#lib/xapi/login.ts';
import { XAPI_LIMITS } from '#lib/xapi/transport.ts';
import {
  type Answer,
  FakeClock,
  type FakeHost,
  failureOf,
  loginOptions,
  openSession,
  PASSWORD,
  SESSION,
  startHost,
} from './fake-host.ts';
import { refusal, success, untyped } from './fake-xml.ts';

const methods = (host: FakeHost): string[] => host.calls.map((call) => call.method);
const one = () => success(untyped('1'));
const RENEWED = 'OpaqueRef:5e551017-aaaa-bbbb-cccc-000000000002';

test('logging in sends user, password, a version and the originator, and every call carries the reference', async () => {
  const host = await startHost();
  host.answers.set('pool.probe', one);
  const session = await openSession(host);
  assert.equal(await session.read('pool.probe', ['x'], z.string()), '1');
  assert.deepEqual(host.calls[0], {
    method: 'session.login_with_password',
    params: ['backup', PASSWORD, '1.0', 'blockferry-test'],
  });
  assert.deepEqual(host.calls[1], { method: 'pool.probe', params: [SESSION, 'x'] });
  assert.equal(session.sessionReference.reveal(), SESSION);
});

test('a wrong password is WrongCredentials and is not tried twice', async () => {
  const host = await startHost();
  host.answers.set('session.login_with_password', () =>
    refusal('SESSION_AUTHENTICATION_FAILED', 'backup', `bad password ${PASSWORD}`),
  );
  const failure = await failureOf(loginXapi(loginOptions(host)));
  assert.ok(failure instanceof WrongCredentials);
  assert.equal(host.calls.length, 1);
});

test('the coordinator is followed once when its address is among the allowed hosts', async () => {
  const supporter = await startHost();
  const coordinator = await startHost();
  supporter.answers.set('session.login_with_password', () => refusal('HOST_IS_SLAVE', '127.0.0.1'));
  const session = await openSession(supporter, { redirects: [coordinator.host] });
  assert.equal(session.sessionReference.reveal(), SESSION);
  assert.deepEqual(
    [methods(supporter), methods(coordinator)],
    [['session.login_with_password'], ['session.login_with_password']],
  );
});

test('a coordinator that names another one is not followed a second time', async () => {
  const supporter = await startHost();
  const second = await startHost();
  for (const host of [supporter, second]) {
    host.answers.set('session.login_with_password', () => refusal('HOST_IS_SLAVE', '127.0.0.1'));
  }
  const failure = await failureOf(loginXapi(loginOptions(supporter, { redirects: [second.host] })));
  assert.ok(failure instanceof NotCoordinator);
  assert.deepEqual([supporter.calls.length, second.calls.length], [1, 1]);
});

test('a coordinator that is not listed is named and not contacted', async () => {
  const supporter = await startHost();
  supporter.answers.set('session.login_with_password', () => refusal('HOST_IS_SLAVE', '10.9.8.7'));
  const failure = await failureOf(loginXapi(loginOptions(supporter, { redirects: [supporter.host] })));
  assert.ok(failure instanceof NotCoordinator);
  assert.equal(failure.address, '10.9.8.7');
  assert.match(failure.message, /127\.0\.0\.1 is not the coordinator.*10\.9\.8\.7.*not among the allowed hosts/s);
});

test('an IPv6 coordinator is recognised in any spelling', async () => {
  const supporter = await startHost();
  supporter.answers.set('session.login_with_password', () => refusal('HOST_IS_SLAVE', '0:0:0:0:0:0:0:1'));
  const redirects = [{ ...supporter.host, url: 'https://[::1]:1' }];
  assert.ok((await failureOf(loginXapi(loginOptions(supporter, { redirects })))) instanceof HostUnreachable);
});

/** Answers that know only one session reference. */
const onlyFor =
  (reference: string): Answer =>
  (call) =>
    call.params[0] === reference ? one() : refusal('SESSION_INVALID', String(call.params[0]));

async function hostWithLostSession(): Promise<FakeHost> {
  const host = await startHost();
  const references = [SESSION, RENEWED];
  host.answers.set('session.login_with_password', () => success(untyped(references.shift() ?? 'OpaqueRef:none')));
  host.answers.set('pool.probe', onlyFor(RENEWED));
  host.answers.set('VDI.probe', onlyFor(RENEWED));
  return host;
}

test('a lost session is replaced by one new login and the call is made again, also one with an effect', async () => {
  const host = await hostWithLostSession();
  const session = await openSession(host);
  assert.equal(await session.change('VDI.probe', [], z.string()), '1');
  assert.deepEqual(methods(host), [
    'session.login_with_password',
    'VDI.probe',
    'session.login_with_password',
    'VDI.probe',
  ]);
  assert.equal(session.sessionReference.reveal(), RENEWED);
});

test('calls that lose the session together share one new login', async () => {
  const host = await hostWithLostSession();
  const session = await openSession(host);
  const allArrived = Promise.withResolvers<void>();
  let arrived = 0;
  host.answers.set('pool.probe', async (call) => {
    if (++arrived === 3) allArrived.resolve();
    await allArrived.promise;
    return call.params[0] === RENEWED ? one() : refusal('SESSION_INVALID', SESSION);
  });
  const answers = await Promise.all([1, 2, 3].map(() => session.read('pool.probe', [], z.string())));
  assert.deepEqual(answers, ['1', '1', '1']);
  assert.equal(methods(host).filter((method) => method === 'session.login_with_password').length, 2);
});

test('a session that is lost again right after the new login is given up', async () => {
  const host = await startHost();
  host.answers.set('pool.probe', onlyFor('OpaqueRef:never'));
  const session = await openSession(host);
  assert.ok((await failureOf(session.read('pool.probe', [], z.string()))) instanceof SessionLost);
  assert.equal(host.calls.length, 4);
});

test('a resumed session uses the stored reference, does not log in, and stays open when it is disposed', async () => {
  const host = await startHost();
  host.answers.set('pool.probe', onlyFor(SESSION));
  {
    await using session = resumeXapi({ host: host.host, session: new Secret(SESSION), clock: new FakeClock() });
    assert.equal(await session.read('pool.probe', [], z.string()), '1');
  }
  assert.deepEqual(methods(host), ['pool.probe']);
});

test('a resumed session that is lost cannot log in again and says so', async () => {
  const host = await startHost();
  host.answers.set('pool.probe', onlyFor(RENEWED));
  await using session = resumeXapi({ host: host.host, session: new Secret(SESSION), clock: new FakeClock() });
  assert.ok((await failureOf(session.read('pool.probe', [], z.string()))) instanceof SessionLost);
  assert.deepEqual(methods(host), ['pool.probe']);
});

test('leaving the scope logs out what it logged in, and nothing after a hand-over', async () => {
  const host = await startHost();
  {
    await using _session = await loginXapi(loginOptions(host));
  }
  assert.deepEqual(host.calls.at(-1), { method: 'session.logout', params: [SESSION] });
  {
    await using session = await loginXapi(loginOptions(host));
    assert.equal(session.handOver().reveal(), SESSION);
  }
  assert.equal(methods(host).filter((method) => method === 'session.logout').length, 1);
});

test('a logout that fails when the scope ends does not hide the error that ended it', async () => {
  const host = await startHost();
  host.answers.set('session.logout', () => refusal('INTERNAL_ERROR', 'down'));
  const first = new UnexpectedReply('first');
  const failure = await failureOf(
    (async () => {
      await using _session = await loginXapi(loginOptions(host));
      throw first;
    })(),
  );
  assert.equal(failure, first);
});

test('an explicit logout reports a failure, and takes a session that is gone as logged out', async () => {
  const host = await startHost();
  host.answers.set('session.logout', () => refusal('SESSION_INVALID', SESSION));
  const session = await openSession(host);
  await session.logout();
  host.answers.set('session.logout', () => refusal('INTERNAL_ERROR', 'down'));
  assert.equal((await failureOf(session.logout())).name, 'HostInternalError');
});

test('a session logs out although the signal of its calls has fired', async () => {
  const host = await startHost();
  const controller = new AbortController();
  {
    await using session = await loginXapi(loginOptions(host, { signal: controller.signal }));
    controller.abort(new Error('deadline'));
    assert.equal((await failureOf(session.read('pool.probe', [], z.string()))).message, 'deadline');
  }
  assert.equal(methods(host).at(-1), 'session.logout');
});

/** Breaks the connection for the first `times` calls. */
function breaking(times: number): Answer {
  let left = times;
  return (_call, _response, request) => {
    if (left-- <= 0) return one();
    request.socket.destroy();
    return null;
  };
}

test('reading is repeated after a broken connection, twice at most and with growing pauses', async () => {
  const host = await startHost();
  const clock = new FakeClock();
  const session = await openSession(host, { clock });
  host.answers.set('pool.probe', breaking(2));
  assert.equal(await session.read('pool.probe', [], z.string()), '1');
  assert.deepEqual(clock.sleepsMs, [500, 2_000]);
  host.answers.set('pool.probe', breaking(3));
  assert.ok((await failureOf(session.read('pool.probe', [], z.string()))) instanceof AnswerLost);
});

test('a call with an effect is not repeated after a broken connection', async () => {
  const host = await startHost();
  const session = await openSession(host);
  host.answers.set('VDI.probe', breaking(1));
  assert.ok((await failureOf(session.change('VDI.probe', [], z.string()))) instanceof AnswerLost);
  assert.equal(methods(host).filter((method) => method === 'VDI.probe').length, 1);
});

test('a host that is silent is not asked again by the client', async () => {
  const host = await startHost();
  const session = await openSession(host, { limits: { ...XAPI_LIMITS, answerDeadlineMs: 300 } });
  host.answers.set('pool.probe', () => null);
  assert.ok((await failureOf(session.read('pool.probe', [], z.string()))) instanceof AnswerOverdue);
  assert.equal(host.calls.length, 2);
});

test('neither session reference nor password is in anything that a failing call throws', async () => {
  const host = await startHost();
  const session = await openSession(host);
  const planted = `${SESSION} ${PASSWORD}`;
  const answers: Answer[] = [
    () => refusal('SESSION_INVALID', SESSION),
    () => refusal('HANDLE_INVALID', 'session', SESSION),
    () => refusal('HANDLE_INVALID', 'VDI', SESSION),
    () => refusal('INTERNAL_ERROR', `exception with ${planted}`),
    () => refusal('SR_BACKEND_FAILURE_46', '', planted, planted),
    () => refusal(`CODE_${PASSWORD}`, planted, planted, planted, planted, planted),
    () => success(untyped(planted)),
    () => planted,
    () => `<methodResponse><params><param><value><i4>${SESSION}</i4></value></param></params></methodResponse>`,
    (_call, response) => {
      response.writeHead(500).end(`<html>${planted}</html>`);
      return null;
    },
    (_call, _response, request) => {
      request.socket.end(`HTTP/9 ${planted}\r\n\r\n`);
      return null;
    },
    (_call, _response, request) => {
      request.socket.destroy();
      return null;
    },
  ];
  for (const answer of answers) {
    host.answers.set('VDI.probe', answer);
    const failure = await failureOf(session.change('VDI.probe', [], z.number()));
    const everything = [
      failure.message,
      failure.stack,
      String(failure),
      JSON.stringify(failure),
      inspect(failure, { depth: 20, showHidden: true }),
    ].join('\n');
    assert.ok(!everything.includes(SESSION), everything);
    assert.ok(!everything.includes('hunter2'), everything);
  }
  const printed = inspect(session, { depth: 20 }) + JSON.stringify(session);
  assert.ok(!printed.includes(SESSION) && !printed.includes('hunter2'));
});
