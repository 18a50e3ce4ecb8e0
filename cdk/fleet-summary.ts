/** JSONata that tells how the runs of a fleet ended. */

import { jsonata } from '#lib/workflow/contract.ts';

/** Of one VM's failure: 250 of them and their VMs have to fit into the state. */
const SENTENCE_CHARACTERS = 100;
/** Of all failures together, in the cause of the fleet run. */
const SHOWN_CHARACTERS = 1_000;

/** Empty texts are written as expressions: validators refuse a literal that is empty. */
const NOTHING = "{% '' %}";
export const NO_FAILURE = { vm: '{% $states.input.vm %}', error: NOTHING, cause: NOTHING };

/** The cause of a child that failed is its description as JSON; quotes inside its fields stand behind a backslash. */
const part = (name: string) => `$match($cause, /"${name}":"(.*?)"(,"|\\})/)[0].groups[0]`;
const RUN_CAUSE = '$cause := $exists($states.errorOutput.Cause) ? $states.errorOutput.Cause : "";';

export const RUN_FAILURE = {
  vm: '{% $states.input.vm %}',
  error: jsonata(`(${RUN_CAUSE} $error := ${part('Error')}; $exists($error) ? $error : $states.errorOutput.Error)`),
  cause: jsonata(
    `(${RUN_CAUSE} $why := ${part('Cause')}; $substring($exists($why) ? $why : $cause, 0, ${SENTENCE_CHARACTERS}))`,
  ),
};

/** The end of a fleet run: how many VMs have a new restore point, and why the others have none. */
export const SUMMARY = {
  policy: '{% $states.context.Execution.Input.policy %}',
  selected: '{% $count($states.result) %}',
  backedUp: "{% $count($states.result[error = '']) %}",
  failures: jsonata(
    "[$append([$states.result[error != ''].(vm & ' ' & error & ': ' & cause)], " +
      "[$states.input.missing.($ & ' is not in the pool')])]",
  ),
};

export const SUMMARY_TEXT = jsonata(
  "$substring($string($states.input.backedUp) & ' of ' & $string($states.input.selected) & ' VMs were backed up; ' & " +
    `$join($states.input.failures, '; '), 0, ${SHOWN_CHARACTERS})`,
);
