/** Each way a server can be wrong before the first read, and what the client makes of it. */

import { strict as assert } from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { connectNbd, type NbdEndpoint, type NbdOptions } from '#lib/nbd/connect.ts';
import {
  ExportRefused,
  HostBusy,
  NbdCertificateMismatch,
  NbdConnectionLost,
  NbdProtocolViolation,
  NbdTlsRefused,
} from '#lib/nbd/failures.ts';
import { Secret } from '#lib/secret.ts';
import { issueCertificate, type TestCertificate } from '../servers/certificates.ts';
import { freePort } from '../servers/free-port.ts';
import {
  type Client,
  exportNameOf,
  exportReply,
  GREETING,
  hex,
  play,
  STARTTLS_ACK,
  STARTTLS_ERR_POLICY,
  STARTTLS_REQUEST,
  ZEROES,
} from './scripted-server.ts';

const EXPORT = '/disk?session_id=OpaqueRef:hush';
const SUBJECT = 'xenhost.test';

let expected: TestCertificate;
let other: TestCertificate;

before(async () => {
  expected = await issueCertificate({ subject: SUBJECT });
  other = await issueCertificate({ subject: SUBJECT });
});

function insecure(port: number): NbdEndpoint {
  return { address: '127.0.0.1', port, exportName: new Secret(EXPORT), security: { kind: 'insecure' } };
}

function secure(port: number, subject = SUBJECT): NbdEndpoint {
  const security = { kind: 'tls' as const, certificatePem: expected.certificatePem, subject };
  return { address: '127.0.0.1', port, exportName: new Secret(EXPORT), security };
}

type Script = (client: Client) => Promise<void>;
type FailureClass = new (message: string) => Error;

async function endsWith(
  failureClass: FailureClass,
  { endpoint, script, options }: { endpoint: (port: number) => NbdEndpoint; script: Script; options?: NbdOptions },
): Promise<void> {
  await using server = await play(script);
  await assert.rejects(connectNbd(endpoint(server.port), options), (failure: unknown) => {
    assert.ok(failure instanceof failureClass, String(failure));
    assert.doesNotMatch(String(failure.stack), /hush|session_id/);
    return true;
  });
  await server.played;
}

/** Up to and including the client's wish for TLS. */
async function untilStartTls(client: Client): Promise<void> {
  client.send(GREETING);
  assert.deepEqual(await client.receive(20), hex(STARTTLS_REQUEST));
}

async function untilExportName(client: Client): Promise<void> {
  client.send(GREETING);
  assert.deepEqual(await client.receive(4), hex('00000001'));
  assert.equal(await exportNameOf(client), EXPORT);
}

/** The client must go without having said anything more. */
async function staysSilent(client: Client): Promise<void> {
  assert.equal((await client.rest()).length, 0, 'the client went on talking');
}

describe('the greeting', () => {
  test('a host that closes without a word is busy', () =>
    endsWith(HostBusy, { endpoint: secure, script: async (client) => client.end() }));

  test('half a greeting is a lost connection', () =>
    endsWith(NbdConnectionLost, {
      endpoint: secure,
      async script(client) {
        client.send('4e42444d4147');
        client.end();
      },
    }));

  const wrong: readonly [title: string, greeting: string][] = [
    ['a greeting without NBDMAGIC is no NBD server', '4e42444d41474944 49484156454f5054 0001'],
    ['the oldstyle negotiation is refused', '4e42444d41474943 00420281861253 00 0001'],
    ['a newstyle server that is not fixed is refused', '4e42444d41474943 49484156454f5054 0000'],
    ['bytes behind the greeting are refused', `${GREETING} 00`],
  ];
  for (const [title, greeting] of wrong) {
    test(title, () =>
      endsWith(NbdProtocolViolation, {
        endpoint: secure,
        async script(client) {
          client.send(greeting);
          await staysSilent(client);
        },
      }),
    );
  }

  test('nobody listening is a lost connection', async () => {
    await assert.rejects(connectNbd(insecure(await freePort())), NbdConnectionLost);
  });
});

describe('STARTTLS', () => {
  test('a host that refuses it is never spoken to in clear', () =>
    endsWith(NbdTlsRefused, {
      endpoint: secure,
      async script(client) {
        await untilStartTls(client);
        client.send(STARTTLS_ERR_POLICY);
        await staysSilent(client);
      },
    }));

  const wrong: readonly [title: string, reply: string][] = [
    ['a reply with the wrong magic is refused', '0003e889045565a8 00000005 00000001 00000000'],
    ['an acknowledgement of another option is refused', '0003e889045565a9 00000006 00000001 00000000'],
    ['an acknowledgement with data is refused', '0003e889045565a9 00000005 00000001 00000004'],
    ['plain text slipped in front of the TLS handshake ends the connection', `${STARTTLS_ACK} ${'00'.repeat(134)}`],
  ];
  for (const [title, reply] of wrong) {
    test(title, () =>
      endsWith(NbdProtocolViolation, {
        endpoint: secure,
        async script(client) {
          await untilStartTls(client);
          client.send(reply);
          await staysSilent(client);
        },
      }),
    );
  }

  test('a host that closes instead of replying is a lost connection', () =>
    endsWith(NbdConnectionLost, {
      endpoint: secure,
      async script(client) {
        await untilStartTls(client);
        client.end();
      },
    }));
});

describe('the TLS handshake', () => {
  async function untilTls(client: Client): Promise<void> {
    await untilStartTls(client);
    client.send(STARTTLS_ACK);
  }

  test('plain text in the place of a server hello is a violation', () =>
    endsWith(NbdProtocolViolation, {
      endpoint: secure,
      async script(client) {
        await untilTls(client);
        await client.receive(5);
        client.send(exportReply(4096));
        await client.rest();
      },
    }));

  test('a host that closes in the middle of it is a lost connection', () =>
    endsWith(NbdConnectionLost, {
      endpoint: secure,
      async script(client) {
        await untilTls(client);
        await client.receive(5);
        client.end();
      },
    }));

  test('TLS 1.1 is not good enough', () =>
    endsWith(NbdProtocolViolation, {
      endpoint: secure,
      async script(client) {
        await untilTls(client);
        const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
        await assert.rejects(client.startTls(expected, old));
      },
    }));

  test('a host with another certificate is told nothing', () =>
    endsWith(NbdCertificateMismatch, {
      endpoint: secure,
      async script(client) {
        await untilTls(client);
        await client.startTls(other);
        await staysSilent(client);
      },
    }));

  for (const [subject, servername] of [
    [SUBJECT, SUBJECT],
    ['127.0.0.1', false],
    ['a host', false],
  ] as const) {
    test(`the subject ${subject} is ${servername ? '' : 'not '}asked for by name`, async () => {
      await using server = await play(async (client) => {
        await untilTls(client);
        const secured = await client.startTls(expected);
        assert.equal((secured as { servername?: string | false }).servername ?? false, servername);
        assert.equal(await exportNameOf(client), EXPORT);
        client.send(exportReply(4096));
        await client.rest();
      });
      const connection = await connectNbd(secure(server.port, subject));
      assert.deepEqual(connection.facts, { kind: 'tls', verifiedBy: 'certificate' });
      assert.equal(connection.exportBytes, 4096);
      await connection.close();
      await server.played;
    });
  }

  test('an expected certificate that cannot be parsed trusts nobody', async () => {
    await using server = await play(untilTls);
    const endpoint: NbdEndpoint = {
      ...secure(server.port),
      security: { kind: 'tls', certificatePem: 'none', subject: '' },
    };
    await assert.rejects(connectNbd(endpoint), NbdCertificateMismatch);
  });
});

describe('EXPORT_NAME', () => {
  test('a host that closes refuses the export', () =>
    endsWith(ExportRefused, {
      endpoint: insecure,
      async script(client) {
        await untilExportName(client);
        client.end();
      },
    }));

  test('a host that closes under TLS refuses the export', () =>
    endsWith(ExportRefused, {
      endpoint: secure,
      async script(client) {
        await untilStartTls(client);
        client.send(STARTTLS_ACK);
        await client.startTls(expected);
        await exportNameOf(client);
        client.end();
      },
    }));

  test('half a reply is a lost connection', () =>
    endsWith(NbdConnectionLost, {
      endpoint: insecure,
      async script(client) {
        await untilExportName(client);
        client.send('0000000000001000 0003');
        client.end();
      },
    }));

  const wrong: readonly [title: string, reply: string][] = [
    ['an export beyond the safe integers is refused', `0020000000000000 0003 ${ZEROES}`],
    ['transmission flags without NBD_FLAG_HAS_FLAGS are refused', `0000000000001000 0002 ${ZEROES}`],
    ['anything but zeroes at the end is refused', `0000000000001000 0003 ${'00'.repeat(123)} 01`],
    ['bytes behind the reply are refused', `0000000000001000 0003 ${ZEROES} 67`],
  ];
  for (const [title, reply] of wrong) {
    test(title, () =>
      endsWith(NbdProtocolViolation, {
        endpoint: insecure,
        async script(client) {
          await untilExportName(client);
          client.send(reply);
          await staysSilent(client);
        },
      }),
    );
  }

  test('a name longer than the protocol allows is not sent', async () => {
    await using server = await play(async (client) => client.send(GREETING));
    const endpoint = { ...insecure(server.port), exportName: new Secret('x'.repeat(4097)) };
    await assert.rejects(connectNbd(endpoint), NbdProtocolViolation);
  });
});
