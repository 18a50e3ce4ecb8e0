/** Errors as the host reports them: a code and text parameters, never an HTTP status. */

export class ApiError extends Error {
  readonly code: string;
  readonly params: readonly string[];

  constructor(code: string, params: readonly string[] = [], options: { cause?: unknown } = {}) {
    super([code, ...params].join(' '), options);
    this.name = 'ApiError';
    this.code = code;
    this.params = params;
  }
}

/** An error of a storage back end: always three parameters, the text with its opterr in the middle. */
export function backendFailure(code: number, text: string, opterr: string): ApiError {
  return new ApiError(`SR_BACKEND_FAILURE_${code}`, ['', `${text} [opterr=${opterr}]`, '']);
}

/** What a caller sees when the simulator itself, not the simulated host, goes wrong. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError('INTERNAL_ERROR', [textOf(error)], { cause: error });
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
