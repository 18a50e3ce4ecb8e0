/** Every way Blockferry fails on purpose: one subclass per decision somebody can take. */

/** Facts of a failure for logs and reports; never a secret. */
export type FailureDetails = Readonly<Record<string, string | number | boolean>>;

/**
 * The base of all failures. `failureName` is an API: Step Functions retries, alarms and the runbook refer to it, and it
 * survives minification because it is a literal. The message says what was tried, on which object, what came back, and
 * what to do.
 */
export abstract class Failure extends Error {
  static readonly failureName: string = 'Failure';
  /** Whether the same attempt may succeed later. Unknown means no. */
  static readonly transient: boolean = false;

  readonly details: FailureDetails;

  constructor(message: string, options: { cause?: unknown; details?: FailureDetails } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = new.target.failureName;
    this.details = options.details ?? {};
  }

  get transient(): boolean {
    const failureClass = this.constructor;
    return 'transient' in failureClass && failureClass.transient === true;
  }
}

/** A failure class as contracts list it. */
export interface FailureClass {
  readonly failureName: string;
  readonly transient: boolean;
}
