/** JSONata that tells how the runs of a fleet ended. */

import { LEFT_TO_ANOTHER_RUN } from '#lib/workflow/backup-input.ts';
import { jsonata } from '#lib/workflow/contract.ts';
import { CHILD_CAUSE, CHILD_ERROR } from './child-run.ts';

/** Of one VM's failure: 250 of them and their VMs have to fit into the state. */
const SENTENCE_CHARACTERS = 100;
/** Of all failures together, in the cause of the fleet run. */
const SHOWN_CHARACTERS = 1_000;

/** Empty texts are written as expressions: validators refuse a literal that is empty. */
const NOTHING = "{% '' %}";
export const NO_FAILURE = {
  vm: '{% $states.input.vm %}',
  error: NOTHING,
  cause: NOTHING,
  left: `{% $states.result.Output.outcome = '${LEFT_TO_ANOTHER_RUN}' %}`,
};

export const RUN_FAILURE = {
  vm: '{% $states.input.vm %}',
  error: jsonata(CHILD_ERROR),
  cause: jsonata(`$substring(${CHILD_CAUSE}, 0, ${SENTENCE_CHARACTERS})`),
  left: false,
};

/** The end of a fleet run: how many VMs have a new restore point, which another run is at work on, and why others failed. */
export const SUMMARY = {
  policy: '{% $states.context.Execution.Input.policy %}',
  selected: '{% $count($states.result) %}',
  backedUp: "{% $count($states.result[error = '' and $not(left)]) %}",
  leftToOtherRuns: '{% [$states.result[left].vm] %}',
  failures: jsonata(
    "[$append([$states.result[error != ''].(vm & ' ' & error & ': ' & cause)], " +
      "[$states.input.missing.($ & ' is not in the pool')])]",
  ),
};

export const SUMMARY_TEXT = jsonata(
  "$substring($string($states.input.backedUp) & ' of ' & $string($states.input.selected) & ' VMs were backed up' & " +
    "($count($states.input.leftToOtherRuns) > 0 ? ', ' & $string($count($states.input.leftToOtherRuns)) & ' left to other runs' : '') & '; ' & " +
    `$join($states.input.failures, '; '), 0, ${SHOWN_CHARACTERS})`,
);
