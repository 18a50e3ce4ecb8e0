/** What a client sends to the embedded S3 server. */

import { ChunkedBody } from '#local/s3/chunked-body.ts';
import { verify } from '#local/s3/signature.ts';
import { parseXml } from '#local/s3/xml.ts';
import type { FuzzTarget } from '../target.ts';

const REFUSALS = ['S3Error'];

const xml: FuzzTarget = {
  name: 's3-xml',
  from: 'client',
  seeds: () =>
    [
      '<?xml version="1.0"?><CompleteMultipartUpload xmlns="x"><Part><ETag>"a"</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>',
      '<Delete><Quiet>true</Quiet><Object><Key>a&amp;b</Key></Object><!-- c --></Delete>',
    ].map((text) => Buffer.from(text)),
  dictionary: ['<a>', '</a>', '<a/>', '<?', '?>', '<!--', '-->', '&#x110000;', '&#0;', '&amp;', '<', '<a '],
  refusals: REFUSALS,
  parse: (input) => parseXml(input.toString()).name.length > 0 && 'an element',
};

const chunks: FuzzTarget = {
  name: 's3-chunks',
  from: 'client',
  seeds: () =>
    [
      '5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n',
      `3;chunk-signature=${'0'.repeat(64)}\r\nabc\r\n0\r\n\r\n`,
    ].map((text) => Buffer.from(text)),
  dictionary: ['\r\n', '0\r\n\r\n', 'ffffffff\r\n', ';chunk-signature='],
  refusals: REFUSALS,
  parse(input) {
    const body = new ChunkedBody();
    const half = input.length >> 1;
    let bytes = 0;
    for (const part of [input.subarray(0, half), input.subarray(half)])
      for (const data of body.decode(part)) bytes += data.length;
    if (bytes > input.length) throw new Error(`${bytes} bytes of data from ${input.length}`);
    return `${body.isDone}`;
  },
};

/** One header a line, behind the line with path and query. */
const signature: FuzzTarget = {
  name: 's3-signature',
  from: 'client',
  seeds: () =>
    [
      `/vault/key?list-type=2\nhost: a\nx-amz-date: 20260105T120000Z\nx-amz-content-sha256: UNSIGNED-PAYLOAD\nauthorization: AWS4-HMAC-SHA256 Credential=KEY/20260105/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=${'0'.repeat(64)}`,
      `/vault/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=KEY/20260105/us-east-1/s3/aws4_request&X-Amz-Date=20260105T120000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=${'0'.repeat(64)}\nhost: a`,
    ].map((text) => Buffer.from(text)),
  dictionary: ['%2F', '%', '%zz', '+', '&', '=', ';', ' ', 'X-Amz-Signature=', '20260105T120000Z'],
  refusals: REFUSALS,
  parse(input) {
    const [line = '', ...headers] = input.toString('latin1').split('\n');
    const [rawPath = '', query = ''] = line.split('?');
    const pairs = headers.map((header) => [
      header.split(':')[0]?.toLowerCase() ?? '',
      header.slice(header.indexOf(':') + 1).trim(),
    ]);
    const request = { method: 'GET', rawPath, query: new URLSearchParams(query), headers: Object.fromEntries(pairs) };
    verify(request, {
      credentials: { accessKeyId: 'KEY', secretAccessKey: 'secret' },
      region: 'us-east-1',
      now: () => new Date('2026-01-05T12:00:00Z'),
    });
    throw new Error('a request was accepted whose signature nobody made');
  },
};

export const S3_TARGETS: readonly FuzzTarget[] = [xml, chunks, signature];
