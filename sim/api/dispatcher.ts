/** From a method name and values to a result: finds the method, checks session, role and arity, runs it. */

import type { Ref } from '#sim/database/database.ts';
import { collectChains } from '#sim/disks/vhd-chains.ts';
import { NULL_REF, type Value } from '#sim/wire/values.ts';
import type { MethodCall } from '#sim/wire/xml-rpc-reader.ts';
import { poolOf, type World } from '#sim/world.ts';
import { ApiError, asApiError } from './api-error.ts';
import { cbtMethods } from './cbt-calls.ts';
import { eventMethods } from './event-calls.ts';
import { fieldMethods } from './field-calls.ts';
import { Arguments, type Method } from './method.ts';
import { poolMethods } from './pool-calls.ts';
import { revertMethods } from './revert-calls.ts';
import { collectSessions, coordinatorAddress, requireRole, sessionMethods, useSession } from './session-calls.ts';
import { collectTasks, followTask, startTask, taskMethods } from './task-calls.ts';
import { vbdMethods } from './vbd-calls.ts';
import { vdiMethods } from './vdi-calls.ts';
import { vmMethods } from './vm-calls.ts';

const ASYNC_PREFIX = 'Async.';

export class Dispatcher {
  readonly #world: World;
  readonly #methods: ReadonlyMap<string, Method>;

  constructor(world: World) {
    this.#world = world;
    const written = { ...sessionMethods, ...taskMethods, ...poolMethods, ...cbtMethods };
    const more = { ...vdiMethods, ...vmMethods, ...vbdMethods, ...eventMethods, ...revertMethods };
    this.#methods = new Map([
      ...fieldMethods(world.db.tables.values()),
      ...Object.entries(written),
      ...Object.entries(more),
    ]);
  }

  get methodNames(): readonly string[] {
    return [...this.#methods.keys()].sort();
  }

  /** Carries out one call on the given host; every failure is an ApiError. */
  async dispatch(call: MethodCall, host: Ref): Promise<Value> {
    this.#world.counters.countCall(call.method);
    try {
      collectTasks(this.#world);
      collectSessions(this.#world);
      collectChains(this.#world);
      return await this.#run(call, host);
    } catch (error) {
      throw asApiError(error);
    }
  }

  async #run({ method: name, params }: MethodCall, host: Ref): Promise<Value> {
    const world = this.#world;
    const inBackground = name.startsWith(ASYNC_PREFIX);
    const label = inBackground ? name.slice(ASYNC_PREFIX.length) : name;
    const method = this.#find(label, name, inBackground);
    const { session, values } = this.#authorize(method, { label, params, host });
    this.#checkArity(method, label, values.length);
    const call = { world, method: label, args: new Arguments(values), session, host };
    const run = async (background: { task: Ref | undefined; signal: AbortSignal }) => {
      this.#injectedFault(label);
      return method.run({ ...call, ...background });
    };
    if (!inBackground) return run({ task: undefined, signal: world.stopping.signal });
    // From here on errors belong to the task: the caller gets its reference in any case.
    const task = startTask(world, { label: name, description: '', session, host });
    followTask(world, task, (signal) => run({ task, signal }));
    return task;
  }

  #find(label: string, name: string, inBackground: boolean): Method {
    const method = this.#methods.get(label);
    const unknown = !method || (inBackground && method.syncOnly === true);
    // Before 7.3 there is neither CBT nor the fields that came with it.
    const tooNew = this.#world.faults.oldHost && (method?.since73 === true || label === 'VDI.get_cbt_enabled');
    if (unknown || tooNew) throw new ApiError('MESSAGE_METHOD_UNKNOWN', [name]);
    return method;
  }

  #authorize(method: Method, call: { label: string; params: readonly Value[]; host: Ref }) {
    const world = this.#world;
    const supporter = call.host !== world.db.pool.get(poolOf(world)).master;
    if (supporter) throw new ApiError('HOST_IS_SLAVE', [coordinatorAddress(world)]);
    if (method.sessionless) return { session: NULL_REF, values: call.params };
    const [session, ...values] = call.params;
    if (typeof session !== 'string') {
      const expected = method.params.length - (method.optional ?? 0);
      throw new ApiError('MESSAGE_PARAMETER_COUNT_MISMATCH', [call.label, String(expected), '-1']);
    }
    const role = useSession(world, session);
    if (world.faults.hostStillBooting) throw new ApiError('HOST_STILL_BOOTING');
    requireRole(role, { role: method.role, method: call.label });
    return { session, values };
  }

  /** The numbers leave out the session, and of the expected ones those with defaults. */
  #checkArity(method: Method, label: string, received: number): void {
    const old = this.#world.faults.oldHost && label === 'VM.snapshot';
    const most = old ? 2 : method.params.length;
    const least = method.params.length - (method.optional ?? 0);
    if (received >= least && received <= most) return;
    throw new ApiError('MESSAGE_PARAMETER_COUNT_MISMATCH', [label, String(least), String(received)]);
  }

  #injectedFault(label: string): void {
    const fault = this.#world.faults.calls.find((candidate) => candidate.method === label && candidate.times > 0);
    if (fault) {
      fault.times -= 1;
      throw new ApiError(fault.code, fault.params ?? []);
    }
  }
}
