/**
 * The process behind `startSink`: an HTTPS server that answers as S3 does, remembers small objects and throws the bytes of
 * uploads away, the same for every client. What is looked at of a part is its length.
 * Usage: s3-sink.ts <certificate> <key> <bytes of the largest object to remember>
 */

import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';

const [certificatePath = '', keyPath = '', rememberedBytes] = process.argv.slice(2);
const ETAG = '"d41d8cd98f00b204e9800998ecf8427e"';
/** Not an MD5, by which clients would check what they sent. */
const UPLOAD_ETAG = '"d41d8cd98f00b204e9800998ecf8427e-1"';

const objects = new Map<string, { readonly body: Buffer | undefined; readonly bytes: number }>();
const uploads = new Map<string, Map<number, number>>();

const server = createServer(
  { cert: readFileSync(certificatePath), key: readFileSync(keyPath) },
  (request, response) => {
    const received =
      request.method === 'PUT' || request.method === 'POST' ? receive(request) : Promise.resolve(undefined);
    received.then(
      (body) => answer(request, { response, body }),
      () => response.destroy(),
    );
  },
);
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.send?.(typeof address === 'object' ? address?.port : undefined);
});
process.on('disconnect', () => process.exit());

interface Body {
  readonly bytes: number;
  /** Undefined when it is too large to remember. */
  readonly content: Buffer | undefined;
}

async function receive(request: IncomingMessage): Promise<Body> {
  const isPart = request.url?.includes('uploadId=') === true;
  const remembers = !isPart && Number(request.headers['content-length'] ?? 0) <= Number(rememberedBytes);
  const pieces: Buffer[] = [];
  let bytes = 0;
  request.on('data', (piece: Buffer) => {
    bytes += piece.length;
    if (remembers) pieces.push(piece);
  });
  await new Promise((resolve, reject) => request.once('end', resolve).once('error', reject));
  return { bytes, content: remembers ? Buffer.concat(pieces) : undefined };
}

function answer(request: IncomingMessage, { response, body }: { response: ServerResponse; body: Body | undefined }) {
  const url = new URL(request.url ?? '/', 'https://sink');
  const upload = uploads.get(url.searchParams.get('uploadId') ?? '');
  if (request.method === 'POST' && url.searchParams.has('uploads')) return begin(url, response);
  if (request.method === 'POST') return complete(url, { response, upload });
  if (request.method === 'PUT' && upload !== undefined) {
    upload.set(Number(url.searchParams.get('partNumber')), body?.bytes ?? 0);
    return response.writeHead(200, { etag: ETAG }).end();
  }
  if (request.method === 'PUT') {
    objects.set(url.pathname, { body: body?.content, bytes: body?.bytes ?? 0 });
    return response.writeHead(200, { etag: ETAG }).end();
  }
  if (url.searchParams.has('list-type')) return xml(response, '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>');
  return give(request, { response, path: url.pathname });
}

function begin(url: URL, response: ServerResponse) {
  const uploadId = `upload-${uploads.size}`;
  uploads.set(uploadId, new Map());
  const [, bucket = '', ...key] = url.pathname.split('/');
  const names = `<Bucket>${bucket}</Bucket><Key>${key.join('/')}</Key><UploadId>${uploadId}</UploadId>`;
  xml(response, `<InitiateMultipartUploadResult>${names}</InitiateMultipartUploadResult>`);
}

function complete(
  url: URL,
  { response, upload }: { response: ServerResponse; upload: Map<number, number> | undefined },
) {
  const bytes = [...(upload?.values() ?? [])].reduce((sum, part) => sum + part, 0);
  objects.set(url.pathname, { body: undefined, bytes });
  xml(response, `<CompleteMultipartUploadResult><ETag>${UPLOAD_ETAG}</ETag></CompleteMultipartUploadResult>`);
}

function give(request: IncomingMessage, { response, path }: { response: ServerResponse; path: string }) {
  const object = objects.get(path);
  // The bucket itself is there for whoever looks.
  if (object === undefined && path.split('/').filter(Boolean).length > 1) {
    return xml(response.writeHead(404), '<Error><Code>NoSuchKey</Code></Error>');
  }
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
  const body = object?.body?.subarray(Number(from ?? 0), to === undefined ? undefined : Number(to) + 1);
  const headers = { etag: body === undefined ? UPLOAD_ETAG : ETAG, 'last-modified': new Date().toUTCString() };
  response.writeHead(from === undefined ? 200 : 206, {
    ...headers,
    'content-length': body?.length ?? object?.bytes ?? 0,
  });
  return request.method === 'HEAD' ? response.end() : response.end(body);
}

function xml(response: ServerResponse, body: string) {
  return response.end(`<?xml version="1.0" encoding="UTF-8"?>${body}`);
}
