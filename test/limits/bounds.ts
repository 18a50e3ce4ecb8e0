/**
 * Where the program goes round without a condition in the loop's head, and where it waits for something outside of itself:
 * each place with what bounds it. A place that is not here, or whose bound is gone, fails `limits.test.ts`.
 */

/** What ends the loops of a file, as it stands in the file. */
export const ENDLESS_LOOPS: Readonly<Record<string, readonly string[]>> = {
  // Ends with the client, and with the server's signal; what one client holds is bounded by its requests in flight.
  'lib/nbd-server/client-stream.ts': ['signal?.throwIfAborted()'],
  'lib/nbd-server/transmission.ts': ['IN_FLIGHT_REQUESTS'],
  'lib/backup/snapshot-disks.ts': ['PATIENCE_MS'],
  // Over the planned grains of one shard, each read once.
  'lib/backup/copy-part.ts': ['if (read === undefined) break'],
  // The states of the handshake only go forward, each within its deadline.
  'lib/nbd/connect.ts': ['Ends because the states of the handshake only go forward'],
  'lib/xapi/task.ts': ['maxPolls'],
  'lib/store/s3-fetch.ts': ['BODY_ATTEMPTS'],
  'lib/store/multipart-writer.ts': ['PART_ATTEMPTS'],
  'lib/store/s3.ts': ['CONFLICT_ROUNDS'],
  'lib/restore/host-transfer.ts': ['MAX_ATTEMPTS'],
  'lib/restore/restored-objects.ts': ['MAX_REMOVAL_ATTEMPTS'],
  'lib/host/sweep.ts': ['ROUNDS'],
  'lib/host/nbd-networks.ts': ['ANSWER_LIMIT_MS'],
  'local/lambda/memory-cap.ts': ['RELEASE_ATTEMPTS'],
  // Every retrier of a state machine has a finite MaxAttempts.
  'local/states/attempts.ts': ['RetryBudget'],
};

/** What ends the waits of a file: a constant or a signal, in the file itself or, as `file: text`, in another one. */
export const WAITS: Readonly<Record<string, readonly string[]>> = {
  'lib/xapi/stream-put.ts': ['TRANSFER_DEADLINE_MS', 'CONNECT_DEADLINE_MS'],
  'lib/xapi/shown-certificate.ts': ['DEADLINE_MS'],
  'lib/xapi/transport.ts': ['answerDeadlineMs', 'connectDeadlineMs'],
  'lib/xapi/pinned-agent.ts': ['#deadlineMs'],
  'lib/xapi/vm-metadata.ts': ['EXPORT_DEADLINE_MS', 'CONNECT_DEADLINE_MS'],
  'lib/xapi/turns.ts': ["addEventListener('abort'"],
  'lib/xapi/allocated-area.ts': ['TABLE_DEADLINE_MS', 'CONNECT_DEADLINE_MS'],
  'lib/credentials/secrets-manager.ts': ['REQUEST_TIMEOUT_MS', 'throwOnRequestTimeout: true'],
  // Compression in a thread of this process: it ends by itself.
  'lib/format/frame-encoder.ts': ['createZstdCompress'],
  'lib/nbd-server/client-stream.ts': ['STALLED_WRITE_MS', 'lib/nbd-server/server.ts: HANDSHAKE_MS'],
  // Listening and closing are this process's own.
  'lib/nbd-server/server.ts': ['MAX_CLIENTS'],
  'lib/executions/workflow-service.ts': ['requestTimeout', 'throwOnRequestTimeout: true'],
  'lib/executions/function-logs.ts': ['requestTimeout', 'throwOnRequestTimeout: true'],
  'lib/executions/step-functions.ts': ['requestTimeout', 'throwOnRequestTimeout: true'],
  'lib/signing/kms-signer.ts': ['requestTimeout', 'throwOnRequestTimeout: true'],
  'lib/store/s3-client.ts': ['idleMs', 'answerMs', 'throwOnRequestTimeout: true'],
  // The idle time of the socket that the body comes from.
  'lib/store/s3-receive.ts': ['lib/store/s3-client.ts: socketTimeout'],
  'lib/store/s3-sliced-body.ts': ['lib/store/s3-client.ts: socketTimeout'],
  // Asks for credentials only, which have timeouts of their own in the SDK's providers; nothing is sent to S3.
  'lib/store/s3-credentials.ts': ['credentials'],
  // Work of threads of this process; one that dies rejects what it owes.
  'lib/restore/unpacking-threads.ts': ['reject'],
  'lib/restore/window-cache.ts': ['reject'],
  'lib/nbd/deadlines.ts': ['deadlineMs'],
  'lib/nbd/transport.ts': ['deadlineMs', 'lib/nbd/connect.ts: connectMs'],
  'lib/nbd/connection.ts': ['progressMs'],
  'lib/nbd/connect.ts': ['deadlineMs'],
  'cli/price-list-query.ts': ['requestTimeout', 'throwOnRequestTimeout: true'],
  'cli/prices.ts': ['FETCH_LIMIT_MS'],
  'cli/file-tools.ts': ['timeout: TOOL_DEADLINE_MS'],
  'cli/ntfs-files.ts': ['timeout: TOOL_DEADLINE_MS'],
  // A person looks at these three and ends them.
  'cli/deploy.ts': ["once(cdk, 'exit')"],
  'cli/serve.ts': ['SIGINT'],
  'cli/restore-to-pool.ts': ['SIGINT'],
  'cli/backup.ts': ['SIGINT'],
  'cli/nbd-mount.ts': ['MAX_POLLS', 'UNMOUNT_LIMIT_MS'],
  'local/synthesis.ts': ['SYNTHESIS_LIMIT_MS'],
  'local/lambda/sandbox.ts': ['setTimeout'],
  'local/states/endpoint.ts': ['server.listen'],
  'local/states/visit.ts': ['signal'],
  'local/states/execution.ts': ['finished'],
  'local/installation.ts': ['server.closeAllConnections()'],
  'local/secrets-endpoint.ts': ['server.listen'],
  'local/s3/server.ts': ['server.closeAllConnections()'],
  // A client may be as slow as it likes; the server ends its connections when it stops.
  'local/s3/answer.ts': ['finished(response)'],
};

/** Work that is begun with `void`, which the lint lets pass: why it cannot reject, as it stands in the file. */
export const UNAWAITED: Readonly<Record<string, readonly string[]>> = {
  // Every window that it loads is rejected to those who wait for it, and none besides.
  'lib/restore/window-cache.ts': ['catch (failure)'],
  'lib/restore/vault-export.ts': ['lib/restore/window-cache.ts: allSettled'],
  // What it could reject with becomes a message, or ends the process as a rejection that nobody handled.
  'local/lambda/sandbox-main.ts': ["'unhandledRejection'"],
  'local/lambda/memory-cap.ts': ['async function residentBytes', 'return undefined'],
  // These two only drop a value.
  'local/s3/checksums.ts': ['void hash.update'],
  'local/s3/uploads.ts': ['void this.#uploads.set'],
  // The process is about to end; what stopping rejects with ends it, with the reason.
  'local/s3/cli.ts': ['void server.stop()'],
  'local/states/workflows.ts': ['local/states/execution.ts: Never rejects'],
};
