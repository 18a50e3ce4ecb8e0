/** Logging in and out. */

import { randomUUID } from 'node:crypto';
import type { Ref } from '#sim/database/database.ts';
import { pause } from '#sim/timings.ts';
import { VOID } from '#sim/wire/values.ts';
import { poolOf, type World } from '#sim/world.ts';
import { ApiError } from './api-error.ts';
import type { Call, Methods } from './method.ts';
import { includesRole, type Role, type User } from './roles.ts';

/** Live sessions per group before the least recently active ones are destroyed without a word. */
export const SESSION_CAPS = { rootWithOriginator: 500, rootWithoutOriginator: 400, otherUser: 500 } as const;

/** `last_active` is only rewritten when it is older than this. */
const LAST_ACTIVE_STEP_MS = 600_000;

export const sessionMethods: Methods = {
  'session.login_with_password': {
    params: ['uname', 'pwd', 'version', 'originator'],
    optional: 2,
    role: 'read-only',
    syncOnly: true,
    sessionless: true,
    run: login,
  },
  'session.logout': {
    params: [],
    role: 'read-only',
    syncOnly: true,
    run: ({ world, session }) => {
      endSession(world, session);
      return VOID;
    },
  },
};

async function login({ world, host, args, signal }: Call): Promise<Ref> {
  const username = args.text(0);
  const user = world.users.find((known) => known.username === username && known.password === args.text(1));
  if (!user) {
    await pause(world.timings.badPasswordMs, signal);
    throw new ApiError('SESSION_AUTHENTICATION_FAILED', [username, 'Authentication failure']);
  }
  return openSession(world, { user, host, originator: args.has(3) ? args.text(3) : '' });
}

export function openSession(world: World, login: { user: User; host: Ref; originator: string }): Ref {
  const { user, host, originator } = login;
  const superuser = user.role === 'pool-admin';
  const now = world.clock.now();
  const session = world.db.session.create({
    uuid: randomUUID(),
    this_host: host,
    last_active: now,
    is_local_superuser: superuser,
    auth_user_name: superuser ? '' : user.username,
    originator,
  });
  world.sessionRoles.set(session, user.role);
  enforceCap(world, session);
  return session;
}

/** The session's role, having noted that it was used. */
export function useSession(world: World, session: Ref): Role {
  const role = world.sessionRoles.get(session);
  if (!world.db.session.has(session) || role === undefined) throw new ApiError('SESSION_INVALID', [session]);
  const now = world.clock.now();
  const { last_active } = world.db.session.get(session);
  if (now.getTime() - last_active.getTime() > LAST_ACTIVE_STEP_MS) {
    world.db.session.update(session, { last_active: now });
  }
  return role;
}

export function requireRole(held: Role, needed: { role: Role; method: string }): void {
  if (includesRole(held, needed.role)) return;
  // Permissions are spelt in lower case, unlike the methods they stand for.
  throw new ApiError('RBAC_PERMISSION_DENIED', [needed.method.toLowerCase(), 'No permission in user session']);
}

export function endSession(world: World, session: Ref): void {
  world.db.session.delete(session);
  world.sessionRoles.delete(session);
}

/** Forgets sessions nobody used for a day, unless a task of theirs is still running. */
export function collectSessions(world: World): void {
  const { session, task } = world.db;
  const oldest = world.clock.now().getTime() - world.timings.sessionInactivityMs;
  const inactive = session.where((row) => row.last_active.getTime() < oldest);
  for (const ref of inactive) {
    const busy = task.where((row) => row.session === ref && row.status === 'pending');
    if (busy.length === 0) endSession(world, ref);
  }
}

function enforceCap(world: World, newest: Ref): void {
  const { session } = world.db;
  const { is_local_superuser, originator, auth_user_name } = session.get(newest);
  const group = session.where((row) =>
    is_local_superuser
      ? row.is_local_superuser && row.originator === originator
      : !row.is_local_superuser && row.auth_user_name === auth_user_name,
  );
  let cap: number = SESSION_CAPS.otherUser;
  if (is_local_superuser)
    cap = originator === '' ? SESSION_CAPS.rootWithoutOriginator : SESSION_CAPS.rootWithOriginator;
  const leastRecent = group.sort((a, b) => activity(world, a) - activity(world, b));
  for (const ref of leastRecent.slice(0, Math.max(0, group.length - cap))) endSession(world, ref);
}

function activity(world: World, session: Ref): number {
  return world.db.session.get(session).last_active.getTime();
}

/** The address clients are sent to when they ask a supporter: bare, without port or brackets. */
export function coordinatorAddress(world: World): string {
  return world.db.host.get(world.db.pool.get(poolOf(world)).master).address;
}
