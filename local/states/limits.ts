/** The quotas of AWS Step Functions that a definition can run into; a local run must fail where the real one would. */

/** Input, output, arguments and any single variable, as UTF-8 JSON. A hard quota of the service. */
export const MAX_PAYLOAD_BYTES = 262_144;
/** All variables of one scope chain together. */
export const MAX_VARIABLES_BYTES = 10_485_760;
/** Events of one Standard execution. Since every state writes at least two, this also ends every endless loop. */
export const MAX_HISTORY_EVENTS = 25_000;
/** Iterations of an inline Map that run at once, whatever MaxConcurrency asks for. */
export const MAX_INLINE_CONCURRENCY = 40;
/** Children of a distributed Map that run at once, and what 0 means there. */
export const MAX_DISTRIBUTED_CONCURRENCY = 10_000;
/** Seconds a Wait, a TimeoutSeconds or a retry may last. */
export const MAX_SECONDS = 99_999_999;
/** Elements of the array that $range answers. */
export const MAX_RANGE_ITEMS = 1_000;
/** Characters of an execution name. */
export const MAX_NAME_CHARACTERS = 80;
/** The service allows a million open executions; a machine that starts itself should end a laptop's patience earlier. */
export const MAX_OPEN_EXECUTIONS = 20_000;
/** Ours, not the service's: an expression that runs longer than this is taken for endless. */
export const MAX_EXPRESSION_MS = 2_000;
/** Ours: nesting of calls inside one expression. */
export const MAX_EXPRESSION_DEPTH = 1_000;
