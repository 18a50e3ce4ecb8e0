/** Which execution of a deployed installation a person means. */

import { ExecutionUnknown } from '#lib/executions/failures.ts';
import type { ExecutionReport, WorkflowService } from '#lib/executions/workflow-service.ts';

const WORKFLOWS = ['backup', 'fleet', 'upkeep', 'restore'] as const;

/** State machines of the installation. Throws ExecutionUnknown when there is none. */
export async function machinesOf(service: WorkflowService, installation: string): Promise<string[]> {
  const arns = await service.machineArns(WORKFLOWS.map((kind) => `${installation}-${kind}`));
  if (arns.length > 0) return arns;
  throw new ExecutionUnknown(
    `there is no installation ${installation} in this account and region; deploy first, or name --installation and --region`,
  );
}

/** By its ARN, or by its name, which may belong to any of the workflows. Throws ExecutionUnknown. */
export async function knownExecution(
  service: WorkflowService,
  installation: string,
  text: string,
): Promise<ExecutionReport> {
  if (text.startsWith('arn:')) return service.describe(text);
  const arns = (await machinesOf(service, installation)).map(
    (arn) => `${arn.replace(':stateMachine:', ':execution:')}:${text}`,
  );
  for (const arn of arns.slice(0, -1)) {
    try {
      return await service.describe(arn);
    } catch (failure) {
      if (!(failure instanceof ExecutionUnknown)) throw failure;
    }
  }
  return service.describe(arns.at(-1) ?? '');
}
