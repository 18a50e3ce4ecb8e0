/** cdk-nag's AwsSolutions rules, with a reason for every wildcard that a role has and for every rule that is not met. */

import { type CfnResource, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks, type IApplyRule } from 'cdk-nag';
import type { IConstruct } from 'constructs';
import { vaultPatterns } from '#lib/format/keys.ts';

interface Explained {
  readonly resource: RegExp;
  readonly reason: string;
}

const literally = (text: string) => text.replace(/[.*]/g, '\\$&');
const anyVaultPattern = Object.values(vaultPatterns).map(literally).join('|');

/** Which wildcards in resources are meant; any other one fails synthesis. */
const WILDCARDS: readonly Explained[] = [
  {
    resource: new RegExp(`/(${anyVaultPattern})$`),
    reason:
      'The stars stand for uuids of VMs and disks and for ids of runs, which do not exist yet when the stack is ' +
      'deployed. The pattern names one kind of object below the prefix of the vault; which step may use which kind is ' +
      'one table, cdk/vault-access.ts.',
  },
  {
    resource: /:execution:.+:\*$/,
    reason: 'Executions of one named state machine of this stack; each gets its name when it starts.',
  },
  {
    resource: /^\*$/,
    reason:
      'Only actions that know no narrower resource: delivery of logs is set up for a whole account, and Lambda creates ' +
      'network interfaces that do not exist before. For the latter a Deny keeps the code of the function from using them.',
  },
];

/** Rules that are not met on purpose, by the kind of resource. */
const NOT_MET: Readonly<Record<string, string>> = {
  'AwsSolutions-S1':
    'Server access logs arrive late, are not guaranteed to be complete and need a second bucket. Who has to know every ' +
    'access turns on CloudTrail data events for the vault, which are both complete and outside the reach of its users.',
  'AwsSolutions-SF2':
    'The history of an execution shows every step, its time and its error for 90 days. X-Ray would store the same a ' +
    'second time and cuts traces of large distributed maps.',
};

/** The AwsSolutions rules; what is explained above is acknowledged on the very resource, so that the report shows it. */
export class SolutionsChecks extends AwsSolutionsChecks {
  constructor(app: IConstruct) {
    super(app);
    for (const [id, reason] of Object.entries(NOT_MET)) Validations.of(app).acknowledge({ id, reason });
  }

  protected override applyRule(check: IApplyRule): void {
    if (check.rule.name === 'IAMNoWildcardPermissions') acknowledgeWildcards(check);
    super.applyRule(check);
  }
}

function acknowledgeWildcards({ rule, node }: { rule: (node: CfnResource) => unknown; node: CfnResource }): void {
  const findings = rule(node);
  if (!Array.isArray(findings)) return;
  for (const finding of findings.map(String)) {
    const resource = finding.replace(/^Resource::/, '');
    const explained = finding === resource ? undefined : WILDCARDS.find((each) => each.resource.test(resource));
    if (explained === undefined) continue;
    Validations.of(node).acknowledge({ id: `AwsSolutions-IAM5[${finding}]`, reason: explained.reason });
  }
}
