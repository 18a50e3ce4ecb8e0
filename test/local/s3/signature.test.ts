import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { CopyObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { ChunkedBody } from '#local/s3/chunked-body.ts';
import { BUCKET, type Plain, refused, startPlain } from './plain-client.ts';

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();

/** The example of AWS's page "Signature calculations ... transferring payload in multiple chunks". */
const EXAMPLE = {
  payloadHash: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
  time: '20130524T000000Z',
  scope: '20130524/us-east-1/s3/aws4_request',
  signingKey: ['20130524', 'us-east-1', 's3', 'aws4_request'].reduce(
    (key, part) => hmac(key, part),
    Buffer.from('AWS4wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'),
  ),
  signature: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
};
const CHUNKS = [
  [65_536, 'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648'],
  [1024, '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497'],
  [0, 'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9'],
] as const;
const ENCODED = Buffer.from(
  `${CHUNKS.map(
    ([bytes, signature]) =>
      `${bytes.toString(16)};chunk-signature=${signature}\r\n${'a'.repeat(bytes)}${bytes === 0 ? '' : '\r\n'}`,
  ).join('')}\r\n`,
);

function decodeInPieces(encoded: Buffer, pieceBytes: number): string {
  const decoder = new ChunkedBody(EXAMPLE);
  const decoded: Buffer[] = [];
  for (let offset = 0; offset < encoded.length; offset += pieceBytes) {
    for (const data of decoder.decode(encoded.subarray(offset, offset + pieceBytes))) decoded.push(Buffer.from(data));
  }
  assert(decoder.isDone);
  return Buffer.concat(decoded).toString();
}

describe('the aws-chunked coding', () => {
  for (const pieceBytes of [1, 7, 1000, 65_536, 1_000_000]) {
    it(`decodes and verifies AWS's example fed in pieces of ${pieceBytes}`, () => {
      assert.equal(decodeInPieces(ENCODED, pieceBytes), 'a'.repeat(66_560));
    });
  }

  it('refuses one changed byte', () => {
    const changed = Buffer.from(ENCODED);
    changed[70_000 - 4000] = 0x62;
    assert.throws(() => decodeInPieces(changed, 1000), { code: 'SignatureDoesNotMatch' });
  });

  it('refuses bytes behind the end, lines without end, and a size that is none', () => {
    assert.throws(() => decodeInPieces(Buffer.concat([ENCODED, Buffer.from('x')]), 1000), { code: 'IncompleteBody' });
    assert.throws(() => decodeInPieces(Buffer.alloc(3000, '0'), 1000), { code: 'InvalidRequest' });
    assert.throws(() => decodeInPieces(Buffer.from('xyz\r\n'), 1000), { code: 'InvalidRequest' });
  });
});

describe('signatures on the embedded server', () => {
  let plain: Plain;
  before(async () => {
    plain = await startPlain();
    await plain.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'a b+c', Body: 'hello' }));
  });
  after(() => plain[Symbol.asyncDispose]());

  const get = (settings: object) => plain.client(settings).send(new GetObjectCommand({ Bucket: BUCKET, Key: 'a b+c' }));

  it('another secret, another key, another region and no signature are refused', async () => {
    const { accessKeyId } = plain.server.credentials;
    await refused(get({ credentials: { accessKeyId, secretAccessKey: 'wrong' } }), 'SignatureDoesNotMatch', 403);
    await refused(get({ credentials: { accessKeyId: 'WRONG', secretAccessKey: 'wrong' } }), 'InvalidAccessKeyId', 403);
    await refused(get({ region: 'eu-west-1' }), 'AuthorizationHeaderMalformed', 400);
    const answer = await fetch(`${plain.server.endpoint}/${BUCKET}/a%20b%2Bc`);
    assert.equal(answer.status, 403);
    assert.match(await answer.text(), /<Code>AccessDenied<\/Code>/);
  });

  it('a clock that is 20 minutes off is refused', async () => {
    for (const systemClockOffset of [-20 * 60_000, 20 * 60_000]) {
      await refused(get({ systemClockOffset }), 'RequestTimeTooSkewed', 403);
    }
  });

  /** A URL signed as AWS's documentation says, by code that is not the server's. */
  function presigned(expiresS: number, signedAt = new Date()): string {
    const { accessKeyId, secretAccessKey } = plain.server.credentials;
    const time = `${signedAt.toISOString().replaceAll(/[-:]/g, '').slice(0, 15)}Z`;
    const scope = `${time.slice(0, 8)}/us-east-1/s3/aws4_request`;
    const { host } = new URL(plain.server.endpoint);
    const query = [
      'X-Amz-Algorithm=AWS4-HMAC-SHA256',
      `X-Amz-Credential=${encodeURIComponent(`${accessKeyId}/${scope}`)}`,
      `X-Amz-Date=${time}`,
      `X-Amz-Expires=${expiresS}`,
      'X-Amz-SignedHeaders=host',
    ].join('&');
    const path = `/${BUCKET}/a%20b%2Bc`;
    const canonical = ['GET', path, query, `host:${host}`, '', 'host', 'UNSIGNED-PAYLOAD'].join('\n');
    const digest = createHash('sha256').update(canonical).digest('hex');
    const key = scope.split('/').reduce((derived, part) => hmac(derived, part), Buffer.from(`AWS4${secretAccessKey}`));
    const signature = hmac(key, ['AWS4-HMAC-SHA256', time, scope, digest].join('\n')).toString('hex');
    return `${plain.server.endpoint}${path}?${query}&X-Amz-Signature=${signature}`;
  }

  it('a path, and the source of a copy, that are no UTF-8 are refused as S3 does', async () => {
    const answer = await fetch(presigned(60).replace('a%20b%2Bc', '%zz'));
    assert.equal(answer.status, 400);
    assert.match(await answer.text(), /<Code>InvalidURI<\/Code>/);
    const copy = new CopyObjectCommand({ Bucket: BUCKET, Key: 'copy', CopySource: `${BUCKET}/%ff` });
    await refused(plain.s3.send(copy), 'InvalidURI', 400);
  });

  it('a presigned URL works until it expires, and only as it was signed', async () => {
    assert.equal(await (await fetch(presigned(60))).text(), 'hello');
    const expired = await fetch(presigned(60, new Date(Date.now() - 61_000)));
    assert.match(await expired.text(), /Request has expired/);
    const changed = await fetch(presigned(60).replace('X-Amz-Expires=60', 'X-Amz-Expires=61'));
    assert.match(await changed.text(), /SignatureDoesNotMatch/);
    assert.equal((await fetch(presigned(8 * 86_400))).status, 400);
  });
});
