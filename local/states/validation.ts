/** Checks a definition before it runs, with both public validators and with what neither of them looks at. */

import languageServices from 'amazon-states-language-service';
import validateAsl from 'asl-validator';
import * as z from 'zod/mini';
import { Failure } from '#lib/failure.ts';
import {
  innerBlocks,
  isDistributed,
  type MachineDefinition,
  machineDefinition,
  type StatesBlock,
} from './definition.ts';

/** Step Functions would refuse this definition, or it uses a part of the language that does not run here. */
export class InvalidDefinition extends Failure {
  static override readonly failureName = 'InvalidDefinition';
}

/** The language service reports hints as well; this is its number for an error. */
const SEVERITY_ERROR = 1;
/** zod/mini brings no texts of its own; without these every complaint reads "Invalid input". */
const readableError = z.locales.en().localeError;
const languageService = languageServices.getLanguageService({});

async function languageServiceErrors(definition: unknown): Promise<string[]> {
  const document = languageServices.TextDocument.create(
    'asl:///definition.asl.json',
    'asl',
    1,
    JSON.stringify(definition, undefined, 1),
  );
  const diagnostics = await languageService.doValidation(document, languageService.parseJSONDocument(document));
  return diagnostics
    .filter(({ severity }) => severity === SEVERITY_ERROR)
    .map(({ message, range }) => `${message} (at ${document.getText(range).trim().slice(0, 80)})`);
}

function jsonPathStates(block: StatesBlock, machineLanguage: string): string[] {
  return Object.entries(block.States).flatMap(([name, state]) => [
    ...((state.QueryLanguage ?? machineLanguage) === 'JSONata' ? [] : [name]),
    ...innerBlocks(state).flatMap((inner) => jsonPathStates(inner.block, machineLanguage)),
  ]);
}

function assignedNames(block: StatesBlock): Set<string> {
  const names = new Set<string>();
  for (const state of Object.values(block.States)) {
    const assignments = [
      'Assign' in state ? state.Assign : undefined,
      ...('Catch' in state ? (state.Catch ?? []) : []).map((catcher) => catcher.Assign),
      ...('Choices' in state ? state.Choices : []).map((choice) => choice.Assign),
    ];
    for (const name of assignments.flatMap((assign) => Object.keys(assign ?? {}))) names.add(name);
  }
  return names;
}

/**
 * An inner scope (a branch, an inline iteration) reads outer variables but has names of its own: assigning an outer
 * name there is refused, because it would not reach the outer variable. The child of a distributed Map sees no outer
 * variable, so its names are free.
 */
function scopeErrors(block: StatesBlock, outer: ReadonlySet<string>): string[] {
  const own = assignedNames(block);
  const clashes = [...own].filter((name) => outer.has(name)).map((name) => `$${name} is a variable of an outer scope`);
  const reserved = own.has('states') ? ['$states is reserved and cannot be assigned'] : [];
  const inner = Object.values(block.States).flatMap((state) => {
    const visible = state.Type === 'Map' && isDistributed(state) ? new Set<string>() : new Set([...outer, ...own]);
    return innerBlocks(state).flatMap((each) => scopeErrors(each.block, visible));
  });
  return [...reserved, ...clashes, ...inner];
}

/** The definition as typed states. Throws InvalidDefinition with every complaint of every validator. */
export async function validateDefinition(definition: unknown): Promise<MachineDefinition> {
  const parsed = machineDefinition.safeParse(definition, { error: readableError });
  if (!parsed.success) {
    throw new InvalidDefinition(`the definition does not run here:\n${z.prettifyError(parsed.error)}`);
  }
  const jsonPath = jsonPathStates(parsed.data, parsed.data.QueryLanguage ?? 'JSONPath');
  if (jsonPath.length > 0) {
    throw new InvalidDefinition(`only JSONata runs here; these states are JSONPath: ${jsonPath.join(', ')}`);
  }
  const complaints = [
    ...validateAsl(definition).errors.map((error) => `${error['Error code']}: ${error.Message}`),
    ...(await languageServiceErrors(definition)),
    ...scopeErrors(parsed.data, new Set()),
  ];
  if (complaints.length > 0) throw new InvalidDefinition(`the definition is wrong:\n${complaints.join('\n')}`);
  return parsed.data;
}
