/** JSONata for a Catch: what was caught, as an error name and a sentence. */

/**
 * A failed function's cause is JSON; its message is taken out by a pattern, because parsing would itself fail on a cause
 * that Step Functions cut short, and an error in a Catch ends the execution before the host was released. The service
 * leaves the cause out for some errors of its own.
 */
const MESSAGE = '/"errorMessage":"(.*?)"(,"trace"|,"errorType"|\\})/';

export const CAUGHT_CAUSE = [
  "($cause := $exists($states.errorOutput.Cause) ? $states.errorOutput.Cause : '';",
  `$message := $match($cause, ${MESSAGE})[0].groups[0];`,
  // JSON writes quotes of the message with a backslash.
  `$exists($message) ? $replace($message, '\\\\"', '"') : $cause)`,
].join(' ');

export const CAUGHT_ERROR = '$states.errorOutput.Error';
