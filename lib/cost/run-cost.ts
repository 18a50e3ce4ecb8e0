/** What a run costs on AWS, from what it used. */

import { type Bytes, GIB } from '#lib/units.ts';
import { PRICES } from './prices.ts';

export interface RunUsage {
  readonly lambdaGbSeconds: number;
  readonly lambdaRequests: number;
  readonly stateTransitions: number;
  /** PUT, COPY, POST and LIST; DELETE is free. */
  readonly s3PutRequests: number;
  readonly s3GetRequests: number;
  readonly storedBytes: Bytes;
}

/** In US dollars; `storageMonth` is what the stored bytes cost each month, everything else is paid once. */
export interface RunCost {
  readonly lambda: number;
  readonly stateMachine: number;
  readonly requests: number;
  readonly storageMonth: number;
}

export function runCost(usage: RunUsage): RunCost {
  return {
    lambda: usage.lambdaGbSeconds * PRICES.lambdaGbSecond.dollars + usage.lambdaRequests * PRICES.lambdaRequest.dollars,
    stateMachine: usage.stateTransitions * PRICES.stateTransition.dollars,
    requests: usage.s3PutRequests * PRICES.s3Put.dollars + usage.s3GetRequests * PRICES.s3Get.dollars,
    storageMonth: (usage.storedBytes / GIB) * PRICES.s3StandardGibMonth.dollars,
  };
}
